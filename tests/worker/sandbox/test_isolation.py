"""A hostile command reaches nothing outside. Run against both real sandboxes."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.worker.sandbox.backend import Limits
from services.worker.sandbox.sandbox import BackendSandbox
from tests.kit.paths import ROOT
from tests.kit.servers.sandboxes import running_sandbox

KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]
LIMITS = Limits(
    memory_bytes=256 * 1024**2,
    processes=64,
    workspace_bytes=64 * 1024**2,
    scratch_bytes=16 * 1024**2,
    file_bytes=32 * 1024**2,
)
BOMB = """
for n in $(seq 200); do (setsid bash -c 'echo x >> alive; read -t 20 <> <(:)' & ) 2>/dev/null; done
sleep 20
"""


@pytest.fixture(params=KINDS)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[BackendSandbox]:
    async with running_sandbox(
        request.param, limits=LIMITS, task=f"task_{secrets.token_hex(6)}"
    ) as started:
        yield started


async def bash(sandbox: BackendSandbox, script: str, seconds: float = 30.0):
    return await sandbox.execute(("bash", "-c", script), timeout_seconds=seconds)


async def test_the_workers_secrets_are_out_of_reach(sandbox, monkeypatch):
    secret = f"secret-{secrets.token_hex(8)}"
    monkeypatch.setenv("BROKER_TOKEN", secret)
    with tempfile.TemporaryDirectory(prefix="worker-") as directory:
        (Path(directory) / "credentials").write_text(secret)
        places = f"{directory} {Path.home()} {ROOT} /proc /home /etc /tmp /var"
        ended = await bash(sandbox, f"env; cat /proc/*/environ; grep -rsI {secret} {places}; true")
    lines = [line for line in ended.output.decode(errors="replace").splitlines() if secret in line]
    assert [line for line in lines if "grep" not in line] == []


async def test_the_workers_files_are_not_there(sandbox):
    repository = ROOT
    listed = await bash(sandbox, f"ls -A /root {repository} /var/run/docker.sock 2>/dev/null; true")
    assert b"pyproject.toml" not in listed.output
    assert b"docker.sock" not in listed.output
    assert b".bashrc" not in listed.output
    assert (await bash(sandbox, "cat /etc/shadow")).exit_code != 0


async def test_only_workspace_home_and_tmp_can_be_written(sandbox):
    for place in ("/workspace", "/home/agent", "/tmp"):
        assert (await bash(sandbox, f"touch {place}/file")).exit_code == 0, place
    refused = "/ /usr /usr/bin /bin /lib /etc /dev /root /var /proc/sys/kernel /sys /opt /home /run"
    ended = await bash(
        sandbox, f"for d in {refused}; do touch $d/file 2>/dev/null && echo $d; done; true"
    )
    assert ended.output == b""


async def test_the_kernel_cannot_be_configured(sandbox):
    ended = await bash(
        sandbox,
        "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/kernel/uevent_helper; do"
        " (echo x > $f) 2>/dev/null && echo $f; done; true",
    )
    assert ended.output == b""


async def test_there_is_no_network(sandbox):
    script = """
import socket, sys
for address in (("1.1.1.1", 53), ("169.254.169.254", 80)):
    try:
        socket.create_connection(address, timeout=2)
    except OSError:
        continue
    sys.exit("reached " + address[0])
print(sorted(name for _, name in socket.if_nameindex()))
"""
    await sandbox.write("net.py", script.encode())
    ended = await bash(sandbox, "python3 net.py")
    assert (ended.exit_code, ended.output) == (0, b"['lo']\n")


async def test_the_machines_loopback_is_another(sandbox):
    server = await _serve()
    port = server.sockets[0].getsockname()[1]
    try:
        ended = await bash(sandbox, f"exec 3<>/dev/tcp/127.0.0.1/{port}")
    finally:
        server.close()
        await server.wait_closed()
    assert ended.exit_code != 0


async def _serve():
    return await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)


async def test_no_privilege_is_left_and_none_can_be_got(sandbox):
    ended = await bash(
        sandbox, "id -u; grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs)' /proc/self/status"
    )
    lines = ended.output.decode().split()
    assert lines[0] == "10001"
    assert lines[lines.index("NoNewPrivs:") + 1] == "1"
    masks = {lines[lines.index(f"Cap{name}:") + 1] for name in ("Prm", "Eff", "Bnd", "Amb")}
    assert masks == {"0000000000000000"}
    assert (await bash(sandbox, "unshare --user --map-root-user true")).exit_code != 0
    assert (await bash(sandbox, "mount -t tmpfs none /tmp")).exit_code != 0


async def test_other_processes_of_the_machine_are_not_seen(sandbox):
    ended = await bash(sandbox, "cat /proc/[0-9]*/comm")
    assert len(ended.output.split()) < 12
    assert (await bash(sandbox, f"kill -0 {os.getpid()}")).exit_code != 0 or os.getpid() < 12


async def test_a_fork_bomb_is_bounded_and_survived(sandbox):
    await bash(sandbox, "echo work > kept")
    # Finite on purpose: a wall that is broken must not take the machine with it.
    await bash(sandbox, BOMB, seconds=3.0)
    assert await sandbox.read("kept") == b"work\n"
    assert 5 < len((await sandbox.read("alive")).split()) < LIMITS.processes
    ended = await bash(sandbox, "echo fine")
    assert ended.output == b"fine\n"


async def test_a_memory_bomb_is_ended_and_survived(sandbox):
    ended = await bash(sandbox, "python3 -c 'x = bytearray(1024**3)'")
    assert ended.exit_code != 0
    assert (await bash(sandbox, "echo fine")).output == b"fine\n"


async def test_many_small_processes_share_the_memory_limit(sandbox):
    one = "python3 -c 'import time; x = bytearray(64 * 1024**2); time.sleep(4)' & "
    ended = await bash(
        sandbox,
        f"{one * 12} failed=0; for n in $(seq 12); do wait -n || failed=1; done; exit $failed",
    )
    assert ended.exit_code != 0


async def test_one_file_cannot_fill_the_disk(sandbox):
    ended = await bash(sandbox, "head -c 100000000 /dev/zero > big")
    assert ended.exit_code != 0
    assert len(await sandbox.read("big", limit_bytes=200_000_000)) <= LIMITS.workspace_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap needs Linux")
async def test_a_nearly_full_disk_ends_a_command_and_says_so():
    limits = Limits(disk_floor_bytes=1 << 60)
    with pytest.raises(Exception, match="disk of the sandbox is nearly full"):
        async with running_sandbox("bubblewrap", limits=limits):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap needs Linux")
async def test_what_cannot_be_listed_is_removed_all_the_same():
    async with running_sandbox("bubblewrap") as sandbox:
        await bash(
            sandbox, "mkdir -p locked/inner; touch locked/inner/file; chmod 000 locked/inner locked"
        )
        directory = sandbox._backend._box
        assert directory.is_dir()
    assert not directory.exists()
