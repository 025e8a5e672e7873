"""git as a program, on both event loops: the gateway's, and the one workers have."""

import asyncio
import os
import time

import pytest
import uvloop

from infra.git.command import NO_PROTOCOL, GitCommand

pytestmark = pytest.mark.server  # it starts git many times, on a busy loop

TIMES = 5
BUSY_SECONDS = 0.03


def git_in(directory) -> GitCommand:
    return GitCommand(directory, settings={}, protocols=NO_PROTOCOL, limit_bytes=10**9)


async def on_a_busy_loop(work):
    """Do it while the loop comes to each thing late, as on a loaded machine."""
    loop = asyncio.get_running_loop()

    def be_busy():
        nonlocal turn
        time.sleep(BUSY_SECONDS)  # a loop that is busy is what is tested
        turn = loop.call_soon(be_busy)

    turn = loop.call_soon(be_busy)
    try:
        return await work()
    finally:
        turn.cancel()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("stdin", [b"", b"unread\n", b"x" * 4_000_000])
async def test_git_that_ends_before_it_is_fed_has_done_its_work(tmp_path, run, stdin):
    git = git_in(tmp_path)

    async def work():
        return [await git.run("version", stdin=stdin) for _ in range(TIMES)]

    ended = await asyncio.to_thread(lambda: run(on_a_busy_loop(work)))

    assert [(each.code, each.text[:11]) for each in ended] == [(0, "git version")] * TIMES


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("stdin", [b"", b"a line\n", os.urandom(4_000_000)])
async def test_git_is_fed_all_of_its_input_and_its_end(tmp_path, run, stdin):
    git = git_in(tmp_path)

    async def work():
        await git.run("init", "--quiet", "--bare", ".")
        made = await git.run("hash-object", "-w", "--stdin", stdin=stdin)
        return await git.run("cat-file", "blob", made.text)

    ended = await asyncio.to_thread(lambda: run(on_a_busy_loop(work)))

    assert ended.stdout == stdin


async def test_git_that_may_speak_to_nobody_asks_nobody_for_a_missing_object(tmp_path):
    """Of a partial clone it would start `git fetch`, and end with it by a broken pipe at times."""
    git = git_in(tmp_path)
    await git.run("init", "--quiet", "--bare", ".")
    for setting in ("remote.origin.url=http://127.0.0.1:9/none.git", "remote.origin.promisor=true"):
        await git.run("config", *setting.split("=", 1))
    missing = b"1" * 40

    ended = await git.run(
        "cat-file", "--batch", stdin=missing + b"\n", environment={"GIT_TRACE": "1"}
    )

    assert (ended.code, ended.stdout) == (0, missing + b" missing\n")
    assert "fetch origin" not in ended.stderr
