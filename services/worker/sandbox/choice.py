"""Which sandbox there is: the one asked for by name, or the strongest that this machine has."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from infra.runtime.sandbox_choice import DEFAULT_IMAGE, SandboxKind, choose_sandbox
from services.worker.ports import SandboxUnavailable
from services.worker.sandbox.backend import Enclosure, Limits
from services.worker.sandbox.bubblewrap import Bubblewrap
from services.worker.sandbox.none import WARNING, Unconfined
from services.worker.sandbox.sandbox import ConfinedSandbox

_log = structlog.get_logger(__name__)


async def choose(
    kind: SandboxKind,
    *,
    task: str,
    scratch: Path,
    image: str = DEFAULT_IMAGE,
    toolchain: Sequence[Path] = (),
    limits: Limits | None = None,
) -> ConfinedSandbox:
    """Return a sandbox that is not started yet; `auto` is docker, else bubblewrap.

    `scratch`: the worker's own directory, where bubblewrap and none keep the workspace.
    `toolchain`: directories that bubblewrap shows read-only, their `bin` first on PATH.
    Raises SandboxUnavailable, with a remedy, when this machine has none.
    """
    enclosure = await _enclosure(
        kind, task=task, scratch=scratch, image=image, toolchain=toolchain, limits=limits
    )
    return ConfinedSandbox(enclosure)


async def _enclosure(
    kind: SandboxKind,
    *,
    task: str,
    scratch: Path,
    image: str,
    toolchain: Sequence[Path],
    limits: Limits | None,
) -> Enclosure:
    missing = await asyncio.to_thread(engine_answers, image) if kind == "auto" else ""
    choice = choose_sandbox(kind, missing=missing, platform=sys.platform)
    if choice.kind == "none":
        _log.warning("sandbox.none", meaning=WARNING)
        return Unconfined(scratch)
    if choice.kind == "docker":
        return _docker(image, task, limits)
    if choice.kind == "bubblewrap" and sys.platform == "linux":
        return Bubblewrap(scratch, task=task, toolchain=toolchain, limits=limits)
    raise SandboxUnavailable(
        f"There is no sandbox here: {missing or 'bubblewrap needs Linux'}. Install and start "
        f"Docker, and build the image {image} (infra/deploy/sandbox.Dockerfile)."
    )


def engine_answers(image: str) -> str:
    """Say why Docker cannot be used here; empty when it can. Blocks."""
    from services.worker.sandbox import docker  # noqa: PLC0415 - only where it may be chosen: 50 ms

    return docker.engine_answers(image)


def _docker(image: str, task: str, limits: Limits | None) -> Enclosure:
    from services.worker.sandbox import docker  # noqa: PLC0415 - only where it is chosen: 50 ms

    return docker.Docker(image, task=task, limits=limits)
