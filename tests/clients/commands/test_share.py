"""`errand share` as a person types it, against a real gateway."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.clients.errand_process import command, environment
from tests.kit.run.gateway import a_world


@pytest.fixture
async def world(servers, fresh_database):
    async with a_world(servers, fresh_database) as made:
        yield made


@pytest.fixture
async def ada(world):
    return await world.person("ada")


@pytest.fixture
def typed(world, ada, tmp_path: Path):
    """Type a command as Ada."""

    async def run(*arguments: str):
        ended = await asyncio.to_thread(
            subprocess.run,
            command(tmp_path, *arguments),
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**environment(ada.session["token"]), "ERRAND_URL": world.url},
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    return run


async def test_a_link_is_printed_alone_and_shows_the_task(world, ada, typed):
    task = await ada.submit("Fix the parser")
    ended = await typed("share", task, "--outputs", "--expires", "7d")
    assert ended.returncode == 0, ended.stderr
    [url] = ended.stdout.splitlines()
    path = "/v1" + url.removeprefix(world.url)
    seen = (await (await world.client()).get(path)).json()
    assert seen["state"]["title"] == "Fix the parser"
    assert seen["parts"] == {"commands": True, "outputs": True, "diffs": False, "costs": False}
    assert "sees the conversation, commands, outputs, up to version 1, until" in ended.stderr


async def test_links_are_listed_and_ended(world, ada, typed):
    task = await ada.submit("Fix the parser")
    url = (await typed("share", task, "--live", "--no-commands")).stdout.strip()
    stranger = await world.client()
    path = "/v1" + url.removeprefix(world.url)
    assert (await stranger.get(path)).status_code == 200
    for arguments in (("--list",), ("--list", task)):
        listed = (await typed("share", *arguments)).stdout
        assert task in listed
        assert "the conversation, as it goes on; opened once" in listed
    share = listed.split()[0]
    ended = await typed("share", "--revoke", share)
    assert (ended.returncode, ended.stdout.strip()) == (0, "The link has ended.")
    assert (await stranger.get(path)).status_code == 410
    assert "revoked" in (await typed("share", "--list")).stdout


async def test_what_cannot_be_shared_is_said_with_a_remedy(typed):
    ended = await typed("share")
    assert ended.returncode == 1
    assert "Which task is to be shared?" in ended.stderr
    assert "errand share TASK" in ended.stderr
    assert (await typed("share", "task_x", "--expires", "soon")).returncode == 2
    assert "There is no such share" in (await typed("share", "--revoke", "shr_x")).stderr
