"""Fixtures of a task's workspace; a conftest.py imports those that its folder uses."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.kit.repository.task_workspace import KIND, InMemoryBlobs, Place
from tests.kit.servers.forge import LocalForge, git_ok
from tests.kit.servers.sandboxes import running_sandbox


@pytest.fixture
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="errand-repository-") as directory:
        yield Path(directory)


@pytest.fixture
def blobs() -> InMemoryBlobs:
    return InMemoryBlobs()


@pytest.fixture
def source(forge: LocalForge, scratch: Path) -> Path:
    """A clone of a new repository `home` with a README, to push into it as people do."""
    git_ok("clone", "-q", forge.create("home"), scratch / "source")
    return scratch / "source"


@pytest.fixture
async def place(forge: LocalForge, blobs: InMemoryBlobs, scratch: Path) -> AsyncIterator[Place]:
    async with running_sandbox(KIND, task=f"task_{secrets.token_hex(6)}") as sandbox:
        yield Place(sandbox, blobs, forge.clone_url("home"), scratch)
