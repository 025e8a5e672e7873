"""A task's clone through the broker, and what a test does to it before it is pushed."""

import pytest

from tests.gateway.broker.git.test_proxy import an_errand, forges
from tests.gateway.conftest import a_world
from tests.kit.servers.forge import git_ok


@pytest.fixture
async def errand(servers, fresh_database, forge):
    async with a_world(servers, fresh_database, forges=forges(forge)) as world:
        yield await an_errand(world, forge.create("app"))


@pytest.fixture
async def clone(errand, forge, tmp_path):
    """A clone of a repository that has a workflow, code owners and ordinary files already."""
    seeded = tmp_path / "seeded"
    git_ok("clone", forge.clone_url("app"), seeded)
    put(seeded, ".github/workflows/ci.yml", "on: push\n")
    put(seeded, "CODEOWNERS", "* @ada\n")
    put(seeded, "templates/workflows/evil.yml", "on: pull_request_target\n")
    put(seeded, "src/deep/main.py", "print('hello')\n" * 200)
    commit(seeded, "seed")
    git_ok("push", "origin", "HEAD:refs/heads/main", inside=seeded)
    return await errand.clone(tmp_path / "clone")


def put(clone, name, content="x\n"):
    file = clone / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def commit(clone, message="work"):
    git_ok("add", "-A", "-f", ".", inside=clone)
    git_ok("commit", "-qm", message, inside=clone)


def refs(forge):
    return git_ok("ls-remote", forge.clone_url("app"))


def tree_of(clone):
    return git_ok("rev-parse", "HEAD^{tree}", inside=clone).strip()
