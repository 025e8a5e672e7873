"""The suite's servers in containers, run by testcontainers: asked for by `make test-containers`.

They use the ports, folders and sockets that the servers from wheels use, so that nothing else in
the suite knows of it.
"""

import json
import os
import pwd
import sys
from functools import cache
from pathlib import Path
from typing import Final

import docker
import msgspec
from docker.errors import ImageNotFound, NotFound

from infra.local.home import Home
from infra.local.process.child import Program
from services.worker.sandbox.backends.docker import engine_answers
from tests.kit.servers.docker_engine import ENGINE, docker_host

ARE_WANTED: Final = bool(os.environ.get("TEST_CONTAINERS"))
LOCAL_SCRIPT: Final = ".ci/server_images.sh"
LOCAL_IMAGE: Final = "errand-test-servers:local"
IMAGES: Final = {
    "nats": ("nats:2.15", LOCAL_IMAGE),
    "postgres": ("postgres:18", LOCAL_IMAGE),
    "redis": ("redis:8", LOCAL_IMAGE),
    "storage": ("rclone/rclone:1", LOCAL_IMAGE),
}
"""Images of each server; the first that the engine has is used."""

_RUNNER: Final = Path(__file__).with_name("container_runner.py")
_OWNER: Final = "errand-test-owner"
_STOP_SECONDS: Final = 20.0


def missing() -> str:
    """Return what keeps the servers from running in containers; empty when nothing does."""
    if sys.platform != "linux":
        return "servers in containers share sockets and ports with this machine: Linux only"
    with docker_host(ENGINE):
        for images in IMAGES.values():
            reasons = [engine_answers(image) for image in images]
            if all(reasons):
                return f"{reasons[0]}. Start an engine, pull the image, or run {LOCAL_SCRIPT}"
    return ""


def in_container(home: Home, program: Program) -> Program:
    """Return a program that runs a server in a container, and ends with it."""
    folders = [str(home.directory)]
    if not home.sockets.is_relative_to(home.directory):
        folders.append(str(home.sockets))
    server, *arguments = program.command
    own = {k: v for k, v in program.environment.items() if k not in home.environment}
    specification = {
        "name": container_name(home, program.name),
        "image": _image(program.name),
        "command": [*_as_user(program.user), Path(server).name, *arguments],
        "environment": own,
        "user": f"{os.geteuid()}:{os.getegid()}",
        "folders": folders,
        "labels": {_OWNER: str(os.getpid())},
    }
    engine = {"DOCKER_HOST": ENGINE} if ENGINE else {}
    return msgspec.structs.replace(
        program,
        command=(sys.executable, str(_RUNNER), json.dumps(specification)),
        environment={**home.environment, **engine},
        stop_seconds=_STOP_SECONDS,
        user=None,
    )


def container_name(home: Home, name: str) -> str:
    """Return the name of a server's container."""
    return f"errand-test-{home.directory.name}-{name}"


def container_pid(home: Home, name: str) -> int:
    """Return the process id of a server, as this machine counts."""
    return int(_client().containers.get(container_name(home, name)).attrs["State"]["Pid"])


def kill_container(home: Home, name: str) -> None:
    """SIGKILL for a server."""
    _client().containers.get(container_name(home, name)).kill()


def is_present(home: Home, name: str) -> bool:
    """Return whether the engine has a server's container, running or not."""
    try:
        _client().containers.get(container_name(home, name))
    except NotFound:
        return False
    return True


def remove_orphans() -> None:
    """Remove the containers of test runs that were killed."""
    for container in _client().containers.list(all=True, filters={"label": _OWNER}):
        if not Path("/proc", container.labels[_OWNER]).exists():
            try:
                container.remove(force=True)
            except NotFound:
                continue


@cache
def _client() -> docker.DockerClient:
    return docker.DockerClient(base_url=ENGINE)


@cache
def _image(name: str) -> str:
    """Return the image that a server is run from; empty when the engine has none."""
    for image in IMAGES[name]:
        try:
            _client().images.get(image)
        except ImageNotFound:
            continue
        return image
    return ""


def _as_user(user: str | None) -> list[str]:
    """Return the command that leaves root as `infra.local.process.launcher` does."""
    if user is None:
        return []
    entry = pwd.getpwnam(user)
    identity = [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    return ["setpriv", *identity, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
