"""The contract of a sandbox, run against each kind."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator

import pytest

from services.worker.ports import SandboxError
from services.worker.sandbox.sandbox import BackendSandbox
from tests.kit.servers.sandboxes import running_sandbox

KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker), "none"]


@pytest.fixture(params=KINDS)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[BackendSandbox]:
    async with running_sandbox(request.param, task=f"task_{secrets.token_hex(6)}") as started:
        yield started


async def bash(sandbox: BackendSandbox, script: str, seconds: float = 20.0):
    return await sandbox.execute(("bash", "-c", script), timeout_seconds=seconds)


async def test_a_command_tells_its_output_and_its_exit_code(sandbox):
    ended = await bash(sandbox, "echo out; echo err >&2; exit 3")
    assert (ended.exit_code, ended.output) == (3, b"out\nerr\n")
    assert not ended.is_timed_out
    assert ended.note == ""


async def test_a_command_begins_in_an_empty_workspace(sandbox):
    ended = await bash(sandbox, 'test "$PWD" = "$WORKSPACE" && ls -A')
    assert (ended.exit_code, ended.output) == (0, b"")


async def test_python_and_git_are_there(sandbox):
    ended = await bash(
        sandbox, "git --version && python3 -c 'import sys, json, ssl; print(sys.version)'"
    )
    assert ended.exit_code == 0, ended.output


async def test_a_missing_program_is_an_exit_code(sandbox):
    ended = await bash(sandbox, "no-such-program")
    assert ended.exit_code == 127


async def test_input_is_read_to_its_end(sandbox):
    content = secrets.token_bytes(3_000_000)
    ended = await sandbox.transfer(
        ("cat",), stdin=content, timeout_seconds=30, output_limit_bytes=4_000_000
    )
    assert ended.stdout == content
    assert not ended.is_truncated


async def test_a_command_that_reads_no_input_still_ends(sandbox):
    ended = await sandbox.execute(("true",), stdin=b"x" * 2_000_000, timeout_seconds=20)
    assert ended.exit_code == 0


async def test_transferred_bytes_come_apart_from_complaints(sandbox):
    ended = await sandbox.transfer(
        ("bash", "-c", r"printf '\x00\x01\xff'; echo why >&2"),
        timeout_seconds=20,
        output_limit_bytes=100,
    )
    assert (ended.stdout, ended.stderr) == (b"\x00\x01\xff", "why\n")


async def test_output_beyond_the_limit_keeps_its_head_and_its_tail(sandbox):
    heard: list[bytes] = []
    ended = await sandbox.execute(
        ("bash", "-c", "echo first; head -c 2000000 /dev/zero | tr '\\0' x; echo last"),
        timeout_seconds=20,
        on_output=heard.append,
        output_limit_bytes=1000,
    )
    assert ended.is_truncated
    assert ended.output.startswith(b"first\n")
    assert ended.output.endswith(b"last\n")
    assert len(ended.output) < 1100
    assert sum(map(len, heard)) == 2_000_011


async def test_output_is_heard_while_the_command_runs(sandbox):
    heard = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(
            sandbox.execute(
                ("bash", "-c", "echo now; until [ -e go ]; do sleep 0.05; done"),
                timeout_seconds=20,
                on_output=lambda _: heard.set(),
            )
        )
        await asyncio.wait_for(heard.wait(), 10)
        await sandbox.write("go", b"")
    assert running.result().exit_code == 0


async def test_a_command_past_its_time_is_ended_with_its_detached_children(sandbox):
    if sandbox.name == "none":
        pytest.skip("`none` holds nothing: a detached child of a command escapes it")
    began = time.monotonic()
    ended = await bash(
        sandbox,
        "setsid bash -c 'while :; do echo alive >> beats; sleep 0.05; done' & sleep 100",
        seconds=1.0,
    )
    assert ended.is_timed_out
    assert "1 s" in ended.note
    assert time.monotonic() - began < 6
    before = await sandbox.read("beats")
    await bash(sandbox, "sleep 0.4")
    assert await sandbox.read("beats") == before


async def test_endless_output_is_ended_by_its_time_or_its_size(sandbox):
    ended = await sandbox.execute(("yes",), timeout_seconds=1.0, output_limit_bytes=1000)
    assert ended.note.startswith("Ended")
    assert ended.is_truncated
    assert len(ended.output) < 1100


async def test_a_cancelled_command_is_ended(sandbox):
    running = asyncio.create_task(
        bash(sandbox, "while :; do echo alive >> beats; sleep 0.05; done", seconds=60)
    )
    while (await bash(sandbox, "test -s beats")).exit_code:
        await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    before = await sandbox.read("beats")
    await bash(sandbox, "sleep 0.3")
    assert await sandbox.read("beats") == before


async def test_a_killed_command_is_said_to_be_out_of_memory(sandbox):
    ended = await bash(sandbox, "bash -c 'kill -9 $$'")
    assert ended.exit_code == 137
    assert "memory" in ended.note


async def test_a_file_is_written_with_its_directories_and_read_again(sandbox):
    name = "new/ünïcode $(id) `id`/a 'file'.bin"
    content = bytes(range(256))
    await sandbox.write(name, content)
    assert await sandbox.read(name) == content
    assert await sandbox.read(f"/workspace/{name}", limit_bytes=3) == content[:3]


async def test_writing_keeps_the_mode_of_a_file(sandbox):
    await bash(sandbox, "echo '#!/bin/sh' > run; chmod 755 run")
    await sandbox.write("run", b"#!/bin/sh\necho hello\n")
    ended = await bash(sandbox, "./run")
    assert ended.output == b"hello\n"


async def test_what_cannot_be_read_says_why(sandbox):
    await bash(sandbox, "mkdir directory; mkfifo pipe")
    with pytest.raises(SandboxError, match="there is no file absent"):
        await sandbox.read("absent")
    with pytest.raises(SandboxError, match="is a directory"):
        await sandbox.read("directory")
    with pytest.raises(SandboxError, match="not a regular file"):
        await sandbox.read("pipe")
    with pytest.raises(SandboxError, match="is a directory"):
        await sandbox.write("directory", b"")
    with pytest.raises(SandboxError, match="NUL"):
        await sandbox.read("a\0b")


async def test_a_name_like_an_option_is_a_name(sandbox):
    await sandbox.write("-n", b"dash")
    assert await sandbox.read("-n") == b"dash"


async def shell(sandbox: BackendSandbox, script: str, seconds: float = 20.0):
    return await sandbox.shell(script, timeout_seconds=seconds)


async def test_what_a_script_sets_stays_in_the_shell(sandbox):
    await shell(
        sandbox,
        """mkdir -p 'deep/er '; cd 'deep/er '; export NAME='a b'; plain=$'1\n2'; list=(x 'y z')
        declare -A map=([k]=v); declare -r fixed=5; greet() { echo "hi $1 $plain"; }
        exported() { echo exported; }; export -f exported
        alias ll='echo long'; umask 027
        """,
    )
    ended = await shell(
        sandbox,
        """echo "[${PWD##*/}]" "$NAME" "${list[1]}" "${map[k]}" "$fixed"; greet you
        ll; bash -c exported; umask; cd - >/dev/null; pwd | sed 's|.*/||'; unset plain
        """,
    )
    assert ended.output.decode().splitlines()[:6] == [
        "[er ] a b y z v 5",
        "hi you 1",
        "2",
        "long",
        "exported",
        "0027",
    ]
    assert (await shell(sandbox, 'echo "${plain-gone}"')).output == b"gone\n"


async def test_a_virtual_environment_stays_active_until_it_is_left(sandbox):
    activate = """_OLD=$PATH; PATH=/nowhere/venv/bin:$PATH; export PATH
    deactivate() { PATH=$_OLD; export PATH; unset _OLD; unset -f deactivate; }"""
    await shell(sandbox, activate)
    assert (await shell(sandbox, "echo $PATH")).output.startswith(b"/nowhere/venv/bin:")
    await shell(sandbox, "deactivate")
    assert b"nowhere" not in (await shell(sandbox, "echo $PATH; type deactivate")).output


async def test_options_traps_and_job_numbers_are_a_scripts_own(sandbox):
    await shell(sandbox, "set -euo pipefail; shopt -s nullglob; trap 'echo bye' INT; sleep 30 &")
    ended = await shell(sandbox, "false; echo $unset; echo nothing*; trap -p INT; jobs; echo $-")
    assert ended.output.decode().splitlines()[:2] == ["", "nothing*"]
    assert "e" not in ended.output.decode().splitlines()[-1]
    assert ended.exit_code == 0


async def test_a_scripts_own_exit_trap_runs_and_takes_nothing_away(sandbox):
    ended = await shell(
        sandbox,
        """mkdir -p here; cd here; kept=yes
        cleanup() { echo "cleaned $?"; trapped=too; }
        trap cleanup EXIT; (trap 'echo inner' EXIT); exit 4""",
    )
    assert (ended.exit_code, ended.output) == (4, b"inner\ncleaned 4\n")
    after = await shell(sandbox, 'echo "${PWD##*/} $kept $trapped"; trap -p EXIT | grep -c cleanup')
    assert after.output == b"here yes too\n0\n"


@pytest.mark.parametrize("script", ["exec echo gone", "kill -9 $$"])
async def test_a_script_that_never_ends_properly_says_that_nothing_was_kept(sandbox, script):
    await shell(sandbox, "kept=before")
    ended = await shell(sandbox, f"kept=after; {script}")
    assert "EXIT trap" in ended.note or "out of memory" in ended.note
    assert (await shell(sandbox, "echo $kept")).output == b"before\n"


@pytest.mark.parametrize(
    ("script", "exit_code", "said"),
    [
        ("false | cat", 1, "1 | 0"),
        ("(exit 3) | cat | cat; exit", 3, "3 | 0 | 0"),
        ("for x in 1; do (exit 5) | tail -1; done", 5, "5 | 0"),
        ("yes | head -1 > /dev/null", 0, ""),
        ("false | cat || true", 1, "1 | 0"),
        ("true | false", 1, ""),
        ("false | cat; true", 0, ""),
    ],
)
async def test_a_pipe_that_hides_a_failure_tells_it(sandbox, script, exit_code, said):
    ended = await shell(sandbox, script)
    assert ended.exit_code == exit_code
    assert ended.note == (
        said and f"a part of the last pipeline failed; exit codes of its parts: {said}"
    )


@pytest.mark.parametrize("codes", ["- -", "-", "1 - 2", "words", "\\036", "1 2\n3 x"])
async def test_what_a_script_writes_in_place_of_its_exit_codes_counts_for_nothing(sandbox, codes):
    script = f"mkdir -p ~/.errand_shell; printf -- '{codes}' > ~/.errand_shell/codes; exec true"
    ended = await shell(sandbox, script)
    assert (ended.exit_code, ended.is_timed_out) == (0, False)
    assert "EXIT trap" in ended.note
    assert (await shell(sandbox, "echo on")).output == b"on\n"


@pytest.mark.parametrize("script", ["", "-x", "cat <<END\nunended", "echo 'a\\b' # c", "# c"])
async def test_a_script_is_run_as_it_is_written(sandbox, script):
    ended = await shell(sandbox, script)
    expected = {"cat <<END\nunended": b"unended", "echo 'a\\b' # c": b"a\\b"}.get(script, b"")
    assert expected in ended.output
    assert ended.exit_code == (127 if script == "-x" else 0)


async def test_an_error_names_the_line_of_the_script(sandbox):
    assert b"line 2: no-such-program" in (await shell(sandbox, "true\nno-such-program")).output


async def test_the_shell_outlives_its_scripts(sandbox):
    assert (await shell(sandbox, "set -e; false; echo unreached")).exit_code == 1
    assert (await shell(sandbox, "exit 7")).exit_code == 7
    assert (await shell(sandbox, "if")).exit_code == 2
    ended = await shell(sandbox, "printf 'no newline'")
    assert (ended.exit_code, ended.output) == (0, b"no newline")


async def test_a_script_reads_nothing_of_the_shells_input(sandbox):
    assert (await shell(sandbox, "cat; read -r line; echo [$line]")).output == b"[]\n"


async def test_a_background_process_lives_on_between_scripts(sandbox):
    await shell(sandbox, "sleep 60 & echo $! > pid")
    assert (await shell(sandbox, "kill -0 $(cat pid) && echo alive")).output == b"alive\n"


async def test_after_a_timeout_the_shell_works_where_it_was(sandbox):
    await shell(sandbox, "mkdir -p here; cd here; export NAME=kept")
    ended = await shell(sandbox, "cd /; sleep 60", seconds=1.0)
    assert ended.is_timed_out
    assert (await shell(sandbox, 'echo "${PWD##*/}" $NAME')).output == b"here kept\n"


async def test_a_shell_that_was_killed_is_replaced(sandbox):
    ended = await shell(sandbox, "kill -9 $PPID; sleep 0.2")
    assert "shell itself ended" in ended.note
    assert (await shell(sandbox, "echo back")).output == b"back\n"


async def test_a_script_can_not_be_longer_than_an_argument(sandbox):
    with pytest.raises(SandboxError, match="write it to a file"):
        await shell(sandbox, "#" * 100_000)
    assert (await shell(sandbox, f"echo {'x' * 90_000} | wc -c")).output.strip() == b"90001"


async def test_scripts_in_the_shell_take_turns(sandbox):
    async with asyncio.TaskGroup() as group:
        runs = [
            group.create_task(shell(sandbox, f"echo {n}; sleep 0.1; echo {n}")) for n in range(3)
        ]
    assert [run.result().output for run in runs] == [f"{n}\n{n}\n".encode() for n in range(3)]


async def test_stopping_twice_is_no_error(sandbox):
    await shell(sandbox, "sleep 60 &")
    await sandbox.stop()
    await sandbox.stop()
