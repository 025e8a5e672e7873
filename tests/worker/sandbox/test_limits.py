"""Limits of a whole sandbox hold: memory, disk and files, also between calls and for any user."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.worker.sandbox.backend import Limits
from services.worker.sandbox.limits.control_groups import ControlGroups
from services.worker.sandbox.limits.resource_usage import measure, memory_of
from services.worker.sandbox.sandbox import BackendSandbox
from tests.kit.paths import ROOT
from tests.kit.probe.eventually import eventually
from tests.kit.servers.sandboxes import running_sandbox

KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]
MEBIBYTE = 1024**2
LIMITS = Limits(
    memory_bytes=256 * MEBIBYTE,
    workspace_bytes=48 * MEBIBYTE,
    scratch_bytes=32 * MEBIBYTE,
    files=2_000,
)
FILL = (
    "for n in $(seq 400); do head -c 1048576 /dev/urandom > {place}/f$n || exit 9; sleep 0.01; done"
)
FILES = 'python3 -c \'for n in range(200000): open(f"{place}/f{{n}}", "x")\''

REMOVED = """
import os, time
held = []
for n in range(20):
    held.append(open("held", "wb", buffering=0))
    os.unlink("held")
    held[-1].write(bytes(10 << 20))
time.sleep(30)
print("survived")
"""


@pytest.fixture(params=KINDS)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[BackendSandbox]:
    async with running_sandbox(
        request.param, limits=LIMITS, task=f"task_{secrets.token_hex(6)}"
    ) as started:
        yield started


async def bash(sandbox: BackendSandbox, script: str, seconds: float = 60.0):
    return await sandbox.execute(("bash", "-c", script), timeout_seconds=seconds)


async def used(sandbox: BackendSandbox, place: str) -> int:
    return int((await bash(sandbox, f"du -sk {place} | cut -f1")).output) * 1024


@pytest.mark.parametrize(
    ("place", "limit_bytes"),
    [
        ("/workspace", LIMITS.workspace_bytes),
        ("/home/agent", LIMITS.scratch_bytes),
        ("/tmp", LIMITS.scratch_bytes),
    ],
)
async def test_many_files_cannot_take_more_than_a_place_may_hold(sandbox, place, limit_bytes):
    ended = await bash(sandbox, FILL.format(place=place))
    assert ended.exit_code != 0
    assert await used(sandbox, place) < limit_bytes + 200 * MEBIBYTE
    await bash(sandbox, f"rm -rf {place}/f*")
    assert (
        await bash(sandbox, f"echo fine > {place}/after; cat {place}/after")
    ).output == b"fine\n"


async def test_files_that_were_removed_and_are_still_open_count_as_well(sandbox):
    ended = await bash(sandbox, f"python3 -c '{REMOVED}'")
    assert ended.exit_code != 0
    assert b"survived" not in ended.output
    if sandbox.name == "bubblewrap":  # elsewhere the file system itself is full
        assert "removed and are still open" in ended.note
    assert (await bash(sandbox, "echo fine > after; cat after")).output == b"fine\n"


async def test_many_empty_files_are_bounded(sandbox):
    ended = await bash(sandbox, FILES.format(place="/workspace"))
    assert ended.exit_code != 0
    count = await bash(sandbox, "find /workspace | wc -l")
    assert int(count.output) < 190_000


async def test_a_job_in_the_background_cannot_fill_the_disk_between_calls(sandbox):
    script = f"({FILL.format(place='/workspace')}) >/dev/null 2>&1 & echo started"
    assert (await sandbox.shell(script, timeout_seconds=20)).output == b"started\n"
    if sandbox.name == "docker":
        return  # the engine holds the size of the file system itself, as tested above
    processes = sandbox._backend._running
    await eventually(lambda: [p for p in processes if not p.is_ended], until=lambda left: not left)
    told = await sandbox.shell("rm -f f*; echo again", timeout_seconds=20)
    assert told.output == b"again\n"
    assert "Before this call: Ended: /workspace holds" in told.note
    assert "the limit is 48 MiB" in told.note
    assert (await sandbox.shell("echo fine", timeout_seconds=20)).note == ""


async def test_the_limit_that_ended_a_command_is_named():
    async with running_sandbox("bubblewrap", limits=LIMITS) as sandbox:
        ended = await bash(sandbox, FILL.format(place="/workspace"))
        assert "/workspace holds" in ended.note
        assert "Remove what is not needed" in ended.note


async def test_a_full_place_leaves_room_to_clean_up():
    async with running_sandbox("bubblewrap", limits=LIMITS) as sandbox:
        await bash(sandbox, FILL.format(place="/workspace"))
        ended = await bash(sandbox, "sleep 2; ls f* | head -n 5 > list; rm -f f*; echo removed")
        assert (ended.output, ended.note) == (b"removed\n", "")


async def test_how_deep_a_directory_is_does_not_hide_what_it_holds(tmp_path):
    script = (
        "import os\nfor n in range(3000): os.mkdir('d'); os.chdir('d')\n"
        "open('f', 'wb').write(b'x' * 2000000)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    try:
        found = measure(tmp_path)
        assert found is not None
        assert found.size_bytes > 2_000_000
        assert found.files > 3_000
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_memory_of_children_counts_and_shared_memory_counts_once():
    hold = "import mmap, os, sys, time; m = mmap.mmap(-1, 64 << 20); m.write(b'x' * (64 << 20));"
    fork = hold + "[os.fork() or (m[::4096], print(flush=True), time.sleep(60)) for _ in range(3)];"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{fork} print(flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        assert memory_of([process.pid], limit_bytes=1 << 40) > 4 * (60 << 20)
        assert (60 << 20) < memory_of([process.pid], limit_bytes=1) < 3 * (60 << 20)
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        process.stdout.close()


ORDINARY = """
import asyncio, json, sys, tempfile
from pathlib import Path
from services.worker.sandbox.backends.bubblewrap import BubblewrapBackend
from services.worker.sandbox.limits.control_groups import ControlGroups
from services.worker.sandbox.sandbox import BackendSandbox
from services.worker.sandbox.backend import Limits

MEMORY = (
    "for n in 1 2 3 4 5 6; do python3 -c 'import time; x = bytearray(100 << 20); time.sleep(20)' & "
    "done; wait; echo survived"
)
BOMB = "for n in $(seq 600); do sleep 20 & done 2>/dev/null; sleep 20"
VSOCK = "python3 -c 'import socket; socket.socket(40, 1)'"

async def main():
    limits = Limits(memory_bytes=256 << 20)
    with tempfile.TemporaryDirectory() as directory:
        backend = BubblewrapBackend(Path(directory), task="task_ordinary", limits=limits)
        sandbox = BackendSandbox(backend)
        await sandbox.start()

        async def run(script, seconds=20):
            return await sandbox.execute(("bash", "-c", script), timeout_seconds=seconds)

        first = await run("id -u; touch a; ls")
        await run(BOMB, 3)
        memory = await run(MEMORY)
        vsock = await run(VSOCK)
        again = await run("echo fine")
        await sandbox.stop()
        print(json.dumps([first.output.decode(), memory.output.decode(), memory.note,
                          b"not supported" in vsock.output, again.output.decode()]))

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_has_the_same_sandbox_with_the_same_limits():
    python = Path("/usr/bin/python3")
    packages = Path(pytest.__file__).parents[1]
    project = ROOT
    if not python.exists():
        pytest.skip("no Python that every user can run")
    version = subprocess.run(
        [python, "-c", "import sys; print(sys.version_info[:2])"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    if version != f"{sys.version_info[:2]}\n":
        pytest.skip("the Python that every user can run is another version")
    reads = subprocess.run(
        ["test", "-r", project / "pyproject.toml"],
        user=12345,
        group=12345,
        extra_groups=[],
        check=False,
    )
    if reads.returncode:
        pytest.skip("other users cannot read this checkout")
    ended = subprocess.run(
        [python, "-c", ORDINARY],
        env={"PYTHONPATH": f"{project}:{packages}", "PATH": "/usr/bin:/bin"},
        user=12345,
        group=12345,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    first, memory, note, is_refused, again = json.loads(ended.stdout)
    assert (first, again) == ("10001\na\n", "fine\n")
    assert "survived" not in memory
    assert "MiB of memory; the limit is 256 MiB" in note
    assert is_refused


async def test_a_job_in_the_background_cannot_pass_the_memory_limit_between_calls(monkeypatch):
    none = ControlGroups()
    monkeypatch.setattr(
        "services.worker.sandbox.backends.bubblewrap.make_control_groups", lambda *_, **__: none
    )
    async with running_sandbox("bubblewrap", limits=LIMITS) as sandbox:
        hold = "import time; x = bytearray(90 << 20); time.sleep(60)"
        await sandbox.shell(f'for n in 1 2 3 4; do python3 -c "{hold}" & done', timeout_seconds=20)
        processes = sandbox._backend._running
        await eventually(
            lambda: [p for p in processes if not p.is_ended], until=lambda left: not left
        )
        told = await sandbox.shell("echo again", timeout_seconds=20)
        assert told.output == b"again\n"
        assert "of memory; the limit is 256 MiB" in told.note
