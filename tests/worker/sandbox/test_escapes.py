"""Known ways out of a sandbox, each tried from inside. Run against both real sandboxes."""

import os
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.worker.ports import SandboxError
from services.worker.sandbox.sandbox import BackendSandbox
from tests.kit.servers.sandboxes import running_sandbox

KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]
BOMB = """
import os
for n in range(4000):
    os.mkdir("d")
    os.chdir("d")
os.chdir("/workspace")
os.symlink("loop", "loop")
open("file", "w").close()
for n in range(5000):
    os.link("file", f"link{n}")
try:
    held = [os.dup(0) for n in range(100_000)]
except OSError as error:
    print(error.strerror)
"""


@pytest.fixture(params=KINDS)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[BackendSandbox]:
    async with running_sandbox(request.param, task=f"task_{secrets.token_hex(6)}") as started:
        yield started


async def bash(sandbox: BackendSandbox, script: str) -> str:
    ended = await sandbox.execute(("bash", "-c", script), timeout_seconds=30)
    return ended.output.decode(errors="replace")


@pytest.fixture
def secret_outside():
    with tempfile.TemporaryDirectory(prefix="outside-", dir="/var/tmp") as directory:
        Path(directory).chmod(0o755)
        file = Path(directory, "secret")
        file.write_text("the worker's own")
        file.chmod(0o644)
        yield file


async def test_a_link_to_outside_leads_nowhere_for_commands_and_file_tools(sandbox, secret_outside):
    await bash(sandbox, f"ln -s {secret_outside} link; ln -s {secret_outside.parent} folder")
    assert "the worker" not in await bash(sandbox, "cat link folder/secret 2>&1")
    for path in ("link", "folder/secret", str(secret_outside), f"../..{secret_outside}"):
        with pytest.raises(SandboxError):
            await sandbox.read(path)
    for path in ("link", "folder/new", str(secret_outside)):
        with pytest.raises(SandboxError):
            await sandbox.write(path, b"overwritten")
    assert secret_outside.read_text() == "the worker's own"
    assert list(secret_outside.parent.iterdir()) == [secret_outside]


async def test_the_roots_and_files_of_other_processes_lead_nowhere(sandbox, secret_outside):
    script = f"""
    for p in /proc/[0-9]* /proc/self; do
      cat $p/root{secret_outside} $p/cwd/../..{secret_outside}
      for fd in $p/fd/*; do cat $fd/../..{secret_outside}; done
    done 2>/dev/null; true"""
    assert "the worker" not in await bash(sandbox, script)


async def test_no_device_of_the_machine_can_be_opened_or_made(sandbox):
    script = """
    for kind in "b 8 0" "b 259 0" "b 254 0" "c 1 1" "c 1 2" "c 10 200"; do
      mknod made $kind && echo "made $kind"
    done 2>/dev/null
    for device in /dev/*; do
      case $device in
        */null|*/zero|*/full|*/random|*/urandom|*/tty|*/ptmx|*/console|*/core) ;;
        *) [ -b $device ] && echo $device; [ -c $device ] && echo $device ;;
      esac
    done
    head -c 1 /dev/kmsg /dev/mem /dev/port /proc/kcore /proc/kmsg >/dev/null 2>&1 && echo read
    true"""
    assert await bash(sandbox, script) == ""


async def test_no_program_runs_as_another_user(sandbox):
    script = """
    cp /bin/bash mine; chmod 6755 mine; ./mine -p -c 'id -u'
    for program in su mount passwd newgrp; do
      program=$(command -v $program) && "$program" root -c 'id -u' </dev/null
    done 2>/dev/null
    python3 -c 'import os; os.setuid(0)' 2>/dev/null && echo became
    python3 -c 'import os; os.setgroups([0])' 2>/dev/null && echo joined; true"""
    said = (await bash(sandbox, script)).split()
    assert "10001" in said
    assert not {"0", "became", "joined"} & set(said)


async def test_control_groups_and_the_kernels_helpers_cannot_be_written(sandbox):
    script = """
    for file in $(find /sys /proc/sys -name release_agent -o -name notify_on_release \\
        -o -name cgroup.procs -o -name modprobe -o -name hotplug -o -name core_pattern \\
        -o -name uevent_helper -o -name binfmt_misc 2>/dev/null | head -n 500); do
      (echo /workspace/mine >$file) 2>/dev/null && echo $file
    done
    mkdir /sys/fs/cgroup/mine 2>/dev/null && echo group; hostname other 2>/dev/null && echo named
    true"""
    assert await bash(sandbox, script) == ""


async def test_a_socket_of_the_machine_without_a_file_is_out_of_reach(sandbox):
    name = f"\0errand-{secrets.token_hex(4)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        script = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({name!r})"
        await sandbox.write("connect.py", script.encode())
        assert "refused" in await bash(sandbox, "python3 connect.py 2>&1")


async def test_a_signal_reaches_nobody_outside(sandbox):
    marker = os.fork()
    if marker == 0:
        os.execv("/bin/sleep", ["sleep", "60"])
    try:
        await sandbox.shell("kill -9 -1", timeout_seconds=20)
        await bash(sandbox, f"kill -9 {marker}; kill -9 {os.getpid()}; true")
        assert os.waitpid(marker, os.WNOHANG) == (0, 0)
    finally:
        os.kill(marker, 9)
        os.waitpid(marker, 0)
    assert await bash(sandbox, "echo fine") == "fine\n"


async def test_bombs_of_depth_links_and_descriptors_are_survived(sandbox):
    await sandbox.write("bomb.py", BOMB.encode())
    assert "Too many open files" in await bash(sandbox, "python3 bomb.py 2>&1")
    assert await bash(sandbox, "cat loop 2>/dev/null; echo fine") == "fine\n"
