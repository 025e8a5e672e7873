"""Sandboxes for tests: started, on this machine's own bubblewrap or Docker, and removed after."""

import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.local.sandbox.toolchains import find_toolchains
from services.worker.sandbox.backend import EgressServer, Limits, SandboxBackend
from services.worker.sandbox.backends.bubblewrap import BubblewrapBackend
from services.worker.sandbox.backends.docker import DockerBackend
from services.worker.sandbox.backends.none import NoneBackend
from services.worker.sandbox.choice import DEFAULT_IMAGE
from services.worker.sandbox.sandbox import BackendSandbox

TOOLCHAIN = find_toolchains(os.environ)


@asynccontextmanager
async def running_sandbox(
    kind: str,
    *,
    limits: Limits | None = None,
    task: str = "",
    egress: EgressServer | None = None,
) -> AsyncIterator[BackendSandbox]:
    """A started sandbox of a kind, of a task of its own where none is given.

    One of Docker is for tests marked `docker` alone: it removes what its task left in the engine.
    """
    task = task or f"task_test_{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="errand-sandbox-") as directory:
        scratch = Path(directory)
        backend: SandboxBackend
        if kind == "docker":
            backend = DockerBackend(DEFAULT_IMAGE, task=task, limits=limits, egress=egress)
        elif kind == "bubblewrap":
            if sys.platform != "linux":
                pytest.skip("bubblewrap needs Linux")
            backend = BubblewrapBackend(
                scratch, task=task, toolchain=TOOLCHAIN, limits=limits, egress=egress
            )
        else:
            backend = NoneBackend(scratch)
        sandbox = BackendSandbox(backend)
        await sandbox.start()
        try:
            yield sandbox
        finally:
            await sandbox.stop()
