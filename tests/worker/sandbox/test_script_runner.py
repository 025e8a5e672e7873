"""Scripts of our own in the sandbox: in a bash that waits, as if each had a bash of its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from services.worker.ports import BASH, TransferResult
from services.worker.sandbox.sandbox import BackendSandbox
from tests.kit.servers.sandboxes import running_sandbox


@pytest.fixture(params=["none", "bubblewrap"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[BackendSandbox]:
    async with running_sandbox(request.param, task="task_scripts") as running:
        yield running


async def _ran(
    sandbox: BackendSandbox, script: str, *arguments: str, stdin: bytes = b"", seconds: float = 20
) -> TransferResult:
    command: Sequence[str] = (*BASH, script, "bash", *arguments)
    return await sandbox.transfer(
        command, stdin=stdin, timeout_seconds=seconds, output_limit_bytes=1 << 20
    )


async def test_arguments_input_and_both_outputs_arrive_byte_for_byte(
    sandbox: BackendSandbox,
) -> None:
    odd = ["", " a  b ", "\\n\\c%b", "new\nline\n", "ünï\x01\x7f\x1e$(id)`id`'\"*?[x]", "-n", "\t"]
    content = bytes(range(256)) * 300
    ended = await _ran(sandbox, 'printf "%s\\0" "$@"; cat; printf oops >&2', *odd, stdin=content)
    told = b"".join(each.encode() + b"\0" for each in odd)
    assert (ended.stdout, ended.stderr, ended.exit_code) == (told + content, "oops", 0)


async def test_nothing_of_a_script_is_left_for_the_next(sandbox: BackendSandbox) -> None:
    first = 'set -eu; cd /; export A=1; f() { :; }; umask 077; trap "echo late" EXIT; exec 5<&0'
    assert (await _ran(sandbox, first, "x")).stdout == b"late\n"
    second = 'echo "${A-none}" "$#" "$-"; declare -F; [ "$PWD" = "$WORKSPACE" ]; echo $?; umask'
    before = await _ran(sandbox, second)
    lines = before.stdout.decode().splitlines()
    assert (lines[0].split()[:2], lines[1:]) == (["none", "0"], ["0", "0022"])
    assert "e" not in lines[0].split()[2]
    assert "f" not in lines[0].split()[2]


async def test_a_script_ends_with_its_own_code_whatever_it_was(sandbox: BackendSandbox) -> None:
    codes = [
        (await _ran(sandbox, script)).exit_code
        for script in ("exit 65", "set -e; false; true", "exec sh -c 'exit 7'", "kill -9 $BASHPID")
    ]
    assert codes == [65, 1, 7, 137]


async def test_what_a_script_does_not_read_is_no_part_of_the_next(sandbox: BackendSandbox) -> None:
    ended = await _ran(sandbox, "exit 3", stdin=b"run x 0 0\n" * 100_000)
    assert ended.exit_code == 3
    assert (await _ran(sandbox, "head -c 9", stdin=b"123456789")).stdout == b"123456789"
    assert (await _ran(sandbox, "cat")).stdout == b""


async def test_a_script_that_takes_too_long_ends_with_all_it_began(sandbox: BackendSandbox) -> None:
    ended = await _ran(sandbox, "sleep 60 & sleep 60", seconds=0.5)
    assert "Ended after 0.5 s" in ended.note
    assert (await _ran(sandbox, "echo on")).stdout == b"on\n"


async def test_scripts_run_beside_each_other(sandbox: BackendSandbox) -> None:
    wait = 'mkfifo "$1" 2>/dev/null; cat "$1"'
    tell = 'mkfifo "$1" 2>/dev/null; echo "$2" > "$1"'
    async with asyncio.TaskGroup() as group:
        hearing = group.create_task(_ran(sandbox, wait, "pipe"))
        group.create_task(_ran(sandbox, tell, "pipe", "hello"))
    assert hearing.result().stdout == b"hello\n"


async def test_a_script_whose_bash_is_ended_from_outside_runs_once_more(
    sandbox: BackendSandbox,
) -> None:
    script = 'if [ -e once ]; then echo again; else : > once; kill -9 "$$"; fi'
    assert (await _ran(sandbox, script)).stdout == b"again\n"
