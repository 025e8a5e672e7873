"""One stack for all attacks; a lost worker is not replaced while a test looks."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.gateway.kit.git_tasks import GitTask, forge_settings, task_on_repository
from tests.kit.repository.git_push import commit_all, write_file
from tests.kit.repository.workspace_fixtures import blobs, place, scratch, source  # noqa: F401 - fixtures
from tests.kit.run.gateway import a_world
from tests.kit.run.phone import Phone, signed_in
from tests.kit.servers.forge import LocalForge, git_ok
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import RealServers, RealStack, real_stack

PATIENT = {"RETRY_BACKOFF_SECONDS": "120,120,120", "TASKS_PER_ACCOUNT": "40"}


@pytest.fixture(scope="session")
def attacked() -> Iterator[RealStack]:
    """The whole of Errand, for attacks alone."""
    with (
        server_directory() as directory,
        real_stack(directory, environment=PATIENT) as running,
    ):
        yield running


@pytest.fixture
async def phone(attacked: RealStack) -> AsyncIterator[Phone]:
    """The attacker's account: its worker is in the wrong hands."""
    device = await signed_in(attacked)
    async with device.gateway:
        yield device


@pytest.fixture
async def victim(attacked: RealStack) -> AsyncIterator[Phone]:
    """Another account."""
    device = await signed_in(attacked, account="victim")
    async with device.gateway:
        yield device


@pytest.fixture
async def errand(
    servers: RealServers, fresh_database: str, forge: LocalForge
) -> AsyncIterator[GitTask]:
    """A task whose worker's token is in the wrong hands."""
    async with a_world(servers, fresh_database, forges=forge_settings(forge)) as world:
        yield await task_on_repository(world, forge.create("app"))


@pytest.fixture
async def clone(errand: GitTask, forge: LocalForge, tmp_path: Path) -> Path:
    """A clone of a repository that has a workflow, code owners and ordinary files already."""
    seeded = tmp_path / "seeded"
    git_ok("clone", forge.clone_url("app"), seeded)
    write_file(seeded, ".github/workflows/ci.yml", "on: push\n")
    write_file(seeded, "CODEOWNERS", "* @ada\n")
    write_file(seeded, "templates/workflows/evil.yml", "on: pull_request_target\n")
    write_file(seeded, "src/deep/main.py", "print('hello')\n" * 200)
    commit_all(seeded, "seed")
    git_ok("push", "origin", "HEAD:refs/heads/main", inside=seeded)
    return await errand.clone(tmp_path / "clone")
