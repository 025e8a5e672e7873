"""Choice of the sandbox: the one asked for by name, or the strongest that this machine has."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from infra.runtime.sandbox_choice import DEFAULT_IMAGE, SandboxKind, choose_sandbox
from services.worker.ports import SandboxUnavailable
from services.worker.sandbox.backend import EgressServer, Limits, SandboxBackend
from services.worker.sandbox.backends.bubblewrap import BubblewrapBackend
from services.worker.sandbox.backends.none import WARNING, NoneBackend
from services.worker.sandbox.sandbox import BackendSandbox

_log = structlog.get_logger(__name__)


async def choose_backend(
    kind: SandboxKind,
    *,
    task: str,
    scratch: Path,
    image: str = DEFAULT_IMAGE,
    toolchain: Sequence[Path] = (),
    limits: Limits | None = None,
    egress: EgressServer | None = None,
) -> BackendSandbox:
    """Return a sandbox that is not started yet; `auto` is docker, else bubblewrap.

    `scratch`: the worker's own directory, where bubblewrap and none keep the workspace.
    `toolchain`: directories that bubblewrap shows read-only, their `bin` first on PATH.
    `egress`: the proxy of this attempt, the one way out; without it there is none.
    Raises SandboxUnavailable, with a remedy, when this machine has none.
    """
    backend = await _make_backend(
        kind,
        task=task,
        scratch=scratch,
        image=image,
        toolchain=toolchain,
        limits=limits,
        egress=egress,
    )
    return BackendSandbox(backend)


async def _make_backend(
    kind: SandboxKind,
    *,
    task: str,
    scratch: Path,
    image: str,
    toolchain: Sequence[Path],
    limits: Limits | None,
    egress: EgressServer | None,
) -> SandboxBackend:
    missing = await asyncio.to_thread(engine_answers, image) if kind == "auto" else ""
    choice = choose_sandbox(kind, missing=missing, platform=sys.platform)
    if choice.kind == "none":
        _log.warning("sandbox.none", meaning=WARNING)
        return NoneBackend(scratch)
    if choice.kind == "docker":
        if egress is not None and not _is_linux():
            # Its listener is handed over by a socket, which two kernels cannot share.
            _log.warning("egress.unavailable", sandbox="docker", platform=sys.platform)
            egress = None
        return _docker(image, task, limits=limits, egress=egress)
    if choice.kind == "bubblewrap" and _is_linux():
        return BubblewrapBackend(
            scratch, task=task, toolchain=toolchain, limits=limits, egress=egress
        )
    raise SandboxUnavailable(
        f"There is no sandbox here: {missing or 'bubblewrap needs Linux'}. Install and start "
        f"Docker, and build the image {image}: make images."
    )


def _is_linux() -> bool:
    return sys.platform == "linux"


def engine_answers(image: str) -> str:
    """Return why Docker cannot be used here; empty when it can. Blocks."""
    from services.worker.sandbox.backends import docker  # noqa: PLC0415 - only where it may be chosen: 50 ms

    return docker.engine_answers(image)


def _docker(
    image: str, task: str, *, limits: Limits | None, egress: EgressServer | None
) -> SandboxBackend:
    from services.worker.sandbox.backends import docker  # noqa: PLC0415 - only where it is chosen: 50 ms

    return docker.DockerBackend(image, task=task, limits=limits, egress=egress)
