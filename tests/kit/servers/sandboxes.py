"""Sandboxes for tests: started, on this machine's own bubblewrap or Docker, and removed after."""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.worker.sandbox.backend import Enclosure, Limits
from services.worker.sandbox.bubblewrap import Bubblewrap
from services.worker.sandbox.choice import DEFAULT_IMAGE
from services.worker.sandbox.docker import Docker
from services.worker.sandbox.none import Unconfined
from services.worker.sandbox.sandbox import ConfinedSandbox

TOOLCHAIN = (Path(sys.base_prefix),)


@asynccontextmanager
async def running_sandbox(
    kind: str, *, limits: Limits | None = None, task: str = "task_test"
) -> AsyncIterator[ConfinedSandbox]:
    """A started sandbox of a kind. One of Docker is for tests marked `docker` alone."""
    with tempfile.TemporaryDirectory(prefix="errand-sandbox-") as directory:
        scratch = Path(directory)
        enclosure: Enclosure
        if kind == "docker":
            enclosure = Docker(DEFAULT_IMAGE, task=task, limits=limits)
        elif kind == "bubblewrap":
            if sys.platform != "linux":
                pytest.skip("bubblewrap needs Linux")
            enclosure = Bubblewrap(scratch, task=task, toolchain=TOOLCHAIN, limits=limits)
        else:
            enclosure = Unconfined(scratch)
        sandbox = ConfinedSandbox(enclosure)
        await sandbox.start()
        try:
            yield sandbox
        finally:
            await sandbox.stop()
