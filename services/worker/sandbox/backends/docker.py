"""The sandbox where a Docker engine is: one hardened container, commands by `exec`.

Process 1 of the container is a keeper that nothing inside can kill: it reaps, and on SIGUSR1 ends
every other process at once (kill(2), pid -1). That needs no new process, so it also ends a fork
bomb; the workspace, a tmpfs, lives on. The keeper's input is a connection of the worker: when that
closes, however the worker ended, the container ends and is removed.
Engine API: docs.docker.com/reference/api/engine.
"""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import docker
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import LogConfig, Mount, Ulimit
from docker.utils import kwargs_from_env

from services.worker.ports import SandboxUnavailable
from services.worker.sandbox.backend import (
    HOME,
    INSTALLED_FOR_ITSELF,
    TEMPORARY,
    USER_ID,
    WORKSPACE,
    EgressServer,
    Limits,
    RunningCommand,
)
from services.worker.sandbox.backends.docker_command import ContainerCommand
from services.worker.sandbox.egress.listener import (
    LOOPBACK,
    PROXY_PORT,
    ListenerHandOver,
    hand_over,
    proxy_environment,
    system_certificates,
)
from services.worker.sandbox.limits.system_calls import docker_profile

TASK_LABEL: Final = "errand.task"

_ENGINE_SECONDS: Final = 60
_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_HAND_OVER: Final = "/run/errand"
_CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")  # of the image, a Debian
_NO_PROCESS: Final = ("resource temporarily unavailable", "cannot fork", "procready not received")

_INIT: Final = """
import os, signal, sys, threading
def leave_with_the_worker():
    sys.stdin.buffer.read()
    os._exit(0)
awaited = {signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM}
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
threading.Thread(target=leave_with_the_worker, daemon=True).start()
signal.alarm(int(sys.argv[1]))
if len(sys.argv) > 2:
    import socket
    with socket.socket() as listener, socket.socket(socket.AF_UNIX) as worker:
        listener.bind((sys.argv[2], int(sys.argv[3])))
        listener.listen(128)
        worker.connect(sys.argv[4])
        socket.send_fds(worker, [b"x"], [listener.fileno()])
while True:
    arrived = signal.sigwait(awaited)
    if arrived == signal.SIGALRM:
        os._exit(0)
    try:
        if arrived == signal.SIGUSR1:
            os.kill(-1, signal.SIGKILL)
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except (ChildProcessError, ProcessLookupError):
        pass
"""
# Says nothing before it is spoken to, so that no output is lost while the connection is taken over.
_GATE: Final = {
    False: 'read -r _ && exec "$@" 2>&1',
    True: 'read -r _ && exec "$@"',
}

_NO_ENGINE: Final = "Start the Docker engine, or choose SANDBOX=bubblewrap."


class DockerBackend:
    """A SandboxBackend that is a container of `image`, labelled with the task it serves."""

    name = "docker"

    def __init__(
        self,
        image: str,
        *,
        task: str,
        limits: Limits | None = None,
        egress: EgressServer | None = None,
    ) -> None:
        self._image = image
        self._egress = egress
        trusted = _CERTIFICATES if system_certificates() else None
        self._environment = _environment() | (proxy_environment(trusted) if egress else {})
        self._task = task
        self._limits = limits or Limits()
        self._client: docker.DockerClient | None = None
        self._container: Container | None = None
        self._leash: socket.socket | None = None

    async def create(self) -> None:
        """Make the container; remove one that a killed worker of this task left behind.

        Raises SandboxUnavailable when no engine answers, or the image is not there.
        """
        try:
            listener = await asyncio.to_thread(self._create)
            if self._egress is not None and listener is not None:
                await self._egress.serve(listener)
        except ImageNotFound:
            remedy = "Build it with `make images`, or choose SANDBOX=bubblewrap."
            raise SandboxUnavailable(f"There is no image {self._image}. {remedy}") from None
        except (DockerException, OSError) as error:
            raise SandboxUnavailable(f"{_said(error)}. {_NO_ENGINE}") from error

    async def start_command(self, command: Sequence[str], *, is_split: bool) -> RunningCommand:
        """Run a command in the container; where no process is left for it, end all others first."""
        try:
            return await self._start_command(command, is_split=is_split)
        except APIError as error:
            if not any(words in str(error).lower() for words in _NO_PROCESS):
                raise self._gone(error) from error
        except (DockerException, OSError) as error:
            raise self._gone(error) from error
        await self.clear()
        try:
            return await self._start_command(command, is_split=is_split)
        except (DockerException, OSError) as error:
            raise self._gone(error) from error

    async def clear(self) -> None:
        """End every process in the container."""
        container = self._container
        if container is not None:
            try:
                await asyncio.to_thread(container.kill, "SIGUSR1")
            except (DockerException, OSError) as error:
                raise self._gone(error) from error

    def exceeded_limit(self) -> str:
        """Return nothing: the engine enforces every limit."""
        return ""

    def take_end_reason(self) -> str:
        """Return nothing: only commands end each other here."""
        return ""

    async def destroy(self) -> None:
        """Remove the container. May be called twice."""
        container, self._container = self._container, None
        client, self._client = self._client, None
        leash, self._leash = self._leash, None
        if self._egress is not None:
            await self._egress.close()
        if leash is not None:
            leash.close()
        if container is not None:
            await asyncio.to_thread(_remove, container)
        if client is not None:
            await asyncio.to_thread(client.close)

    def _create(self) -> socket.socket | None:
        """Make and start the container; return the proxy's listener in it, where there is one."""
        if self._egress is None:
            self._start_container(None)
            return None
        with hand_over() as offered:
            self._start_container(offered)
            return offered.receive()

    def _start_container(self, offered: ListenerHandOver | None) -> None:
        client = self._client = _connected()
        self._environment["PATH"] = _search_path(client, self._image)
        label = f"{TASK_LABEL}={self._task}"
        for left in client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
            _remove(left)
        limits = self._limits
        arguments, mounts = _handed_over(offered)
        owned = f"uid={USER_ID},gid={USER_ID},nr_inodes={limits.files}"
        self._container = client.containers.create(
            self._image,
            ["python3", "-I", "-S", "-c", _INIT, str(limits.lifetime_seconds), *arguments],
            entrypoint=[],
            user=f"{USER_ID}:{USER_ID}",
            working_dir=WORKSPACE,
            hostname="errand",
            environment=self._environment,
            network_mode="none",
            ipc_mode="private",
            read_only=True,
            auto_remove=True,
            stdin_open=True,  # and closed with its one connection: the SDK sets StdinOnce
            mounts=mounts,
            tmpfs={
                WORKSPACE: f"rw,exec,nosuid,nodev,mode=0755,size={limits.workspace_bytes},{owned}",
                HOME: f"rw,exec,nosuid,nodev,mode=0700,size={limits.scratch_bytes},{owned}",
                TEMPORARY: f"rw,exec,nosuid,nodev,mode=1777,size={limits.scratch_bytes},"
                f"nr_inodes={limits.files}",
            },
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true", f"seccomp={docker_profile()}"],
            pids_limit=limits.processes,
            # The workspace is a tmpfs and counts as memory.
            mem_limit=limits.memory_bytes + limits.workspace_bytes,
            memswap_limit=limits.memory_bytes + limits.workspace_bytes,
            nano_cpus=int(min(limits.cpus, client.info()["NCPU"]) * 1_000_000_000),
            oom_score_adj=500,
            ulimits=[
                Ulimit(name="nofile", soft=limits.open_files, hard=limits.open_files),
                Ulimit(name="fsize", soft=limits.file_bytes, hard=limits.file_bytes),
                Ulimit(name="core", soft=0, hard=0),
            ],
            log_config=LogConfig(type=LogConfig.types.NONE),
            labels={TASK_LABEL: self._task},
        )
        self._leash = _taken(
            client.api.attach_socket(str(self._container.id), params={"stdin": 1, "stream": 1})
        )
        self._container.start()

    async def _start_command(self, command: Sequence[str], *, is_split: bool) -> RunningCommand:
        wrapped = ["bash", "-c", _GATE[is_split], "bash", *command]
        call, connection = await asyncio.to_thread(self._exec, wrapped)
        if connection.family == socket.AF_UNIX:
            reader, writer = await asyncio.open_unix_connection(sock=connection)
        else:
            reader, writer = await asyncio.open_connection(sock=connection)
        running = ContainerCommand(self, call, reader, writer)
        await running.send(b"go\n")
        return running

    def _exec(self, command: list[str]) -> tuple[str, socket.socket]:
        if self._client is None or self._container is None:
            raise DockerException("the container is gone")
        engine = self._client.api
        call: str = engine.exec_create(
            self._container.id,
            command,
            stdin=True,
            workdir=WORKSPACE,
            environment=self._environment,
        )["Id"]
        connection = _taken(engine.exec_start(call, socket=True))
        connection.setblocking(False)  # noqa: FBT003 - socket takes no keyword
        return call, connection

    async def ending_of(self, call: str) -> int | None:
        """Return an exec's exit code, or None while it runs."""
        client = self._client
        if client is None:
            return 137
        try:
            state = await asyncio.to_thread(client.api.exec_inspect, call)
        except NotFound:  # the container is gone, and its execs with it
            return 137
        except (DockerException, OSError) as error:
            raise self._gone(error) from error
        return None if state["Running"] else int(state["ExitCode"] or 0)

    def _gone(self, error: Exception) -> SandboxUnavailable:
        return SandboxUnavailable(f"The sandbox's container is gone: {_said(error)}. {_NO_ENGINE}")


def engine_answers(image: str) -> str:
    """Return why docker cannot be the sandbox; empty when it can. Blocks; run it in a thread."""
    try:
        client = _connected()
    except (DockerException, OSError) as error:
        return f"no Docker engine answers ({_said(error)})"
    try:
        client.images.get(image)
    except ImageNotFound:
        return f"the Docker engine has no image {image}"
    except (DockerException, OSError) as error:
        return f"the Docker engine does not answer ({_said(error)})"
    else:
        return ""
    finally:
        client.close()


def _taken(file: Any) -> socket.socket:  # noqa: ANN401 - the SDK's type differs by transport
    """Take a connection over from the SDK, which hands out only a file on it."""
    inner: socket.socket = file._sock  # noqa: SLF001 - there is no other way to it
    connection = inner.dup()
    file.close()
    inner.close()
    return connection


def _connected() -> docker.DockerClient:
    """Connect to the engine that DOCKER_HOST names, or the usual one. Raises OSError at once."""
    host = str(kwargs_from_env().get("base_url") or DEFAULT_UNIX_SOCKET)
    kind, _, path = host.partition("://")
    if kind.endswith("unix"):
        with socket.socket(socket.AF_UNIX) as probe:  # the SDK leaves a refused one open
            probe.settimeout(_ENGINE_SECONDS)
            try:
                probe.connect(f"/{path.lstrip('/')}")
            except OSError as error:
                raise ConnectionError(f"{error.strerror}: /{path.lstrip('/')}") from None
    return docker.from_env(timeout=_ENGINE_SECONDS)


def _handed_over(offered: ListenerHandOver | None) -> tuple[list[str], list[Mount]]:
    if offered is None:
        return [], []
    arguments = [LOOPBACK, str(PROXY_PORT), f"{_HAND_OVER}/{offered.path.name}"]
    mounts = [Mount(_HAND_OVER, str(offered.path.parent), type="bind", read_only=True)]
    if certificates := system_certificates():
        mounts.append(Mount(str(_CERTIFICATES), str(certificates), type="bind", read_only=True))
    return arguments, mounts


def _search_path(client: docker.DockerClient, image: str) -> str:
    """Return the PATH that an image sets, or the usual one, and where an agent installs."""
    settings = client.images.get(image).attrs["Config"].get("Env") or []
    own = (each.removeprefix("PATH=") for each in settings if each.startswith("PATH="))
    return ":".join([next(own, _SYSTEM_PATH), *INSTALLED_FOR_ITSELF])


def _environment() -> dict[str, str]:
    return {
        "NPM_CONFIG_PREFIX": f"{HOME}/.local",
        "HOME": HOME,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "WORKSPACE": WORKSPACE,
    }


def _remove(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if "already in progress" not in str(error):  # the engine removes it by itself
            raise


def _said(error: Exception) -> str:
    text = error.explanation if isinstance(error, APIError) else str(error)
    return str(text or error).strip().rstrip(".")
