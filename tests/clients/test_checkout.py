"""A local repository lent to the real local forge, and the task's branch brought back."""

import os
from pathlib import Path

import pytest

from clients.cli.checkout import Lent, bring_back, lend
from clients.cli.local_stacks import Forge
from clients.cli.trouble import Trouble
from tests.support.forge import LocalForge, git_ok

ENVIRONMENT = {"PATH": os.environ["PATH"], "SECRET": "not git's business"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "my project!"
    git_ok("init", "--quiet", "--initial-branch", "trunk", folder)
    (folder / "a.txt").write_text("one\n")
    git_ok("add", "a.txt", inside=folder)
    git_ok("commit", "--quiet", "-m", "First", inside=folder)
    return folder


@pytest.fixture
def lender(forge: LocalForge) -> Forge:
    return Forge(url=forge.url, api_url=forge.api_url, token=forge.token)


async def lent(path: Path, forge: Forge, base: str = "") -> Lent:
    return await lend(path, base, forge, environment=ENVIRONMENT)


async def test_the_current_branch_is_on_the_forge(repository: Path, lender: Forge) -> None:
    found = await lent(repository, lender)

    assert found.base == "trunk"
    assert found.path == repository
    assert found.url.startswith(f"{lender.url}/errand/my-project-")
    there = git_ok("ls-remote", found.url, "refs/heads/trunk")
    assert there.split()[0] == git_ok("rev-parse", "HEAD", inside=repository)


async def test_lending_again_brings_the_forge_up_to_date(repository: Path, lender: Forge) -> None:
    first = await lent(repository, lender)
    git_ok("commit", "--quiet", "--amend", "-m", "Otherwise", inside=repository)

    again = await lent(repository, lender)

    assert again == first
    there = git_ok("ls-remote", again.url, "refs/heads/trunk")
    assert there.split()[0] == git_ok("rev-parse", "HEAD", inside=repository)


async def test_a_folder_inside_the_repository_will_do(repository: Path, lender: Forge) -> None:
    (repository / "inner").mkdir()

    assert (await lent(repository / "inner", lender)).path == repository


async def test_the_branch_of_the_task_comes_back(
    repository: Path, lender: Forge, tmp_path: Path
) -> None:
    found = await lent(repository, lender)
    _work(found, tmp_path / "worker", "two\n")

    await bring_back(found, "errand/task_1", lender, environment=ENVIRONMENT)

    assert git_ok("show", "errand/task_1:a.txt", inside=repository) == "two"
    assert git_ok("branch", "--show-current", inside=repository) == "trunk"
    assert (repository / "a.txt").read_text() == "one\n"


async def test_commits_a_person_made_on_the_tasks_branch_are_not_lost(
    repository: Path, lender: Forge, tmp_path: Path
) -> None:
    found = await lent(repository, lender)
    _work(found, tmp_path / "worker", "two\n")
    git_ok("switch", "--quiet", "--create", "errand/task_1", inside=repository)
    git_ok("commit", "--quiet", "--allow-empty", "-m", "Mine", inside=repository)
    git_ok("switch", "--quiet", "trunk", inside=repository)
    mine = git_ok("rev-parse", "errand/task_1", inside=repository)

    with pytest.raises(Trouble, match="rejected"):
        await bring_back(found, "errand/task_1", lender, environment=ENVIRONMENT)

    assert git_ok("rev-parse", "errand/task_1", inside=repository) == mine


def _work(lent: Lent, folder: Path, content: str) -> None:
    git_ok("clone", "--quiet", "--branch", lent.base, lent.url, folder)
    (folder / "a.txt").write_text(content)
    git_ok("commit", "--quiet", "--all", "-m", "Work", inside=folder)
    git_ok("push", "--quiet", "origin", "HEAD:refs/heads/errand/task_1", inside=folder)


async def test_a_hook_of_the_person_is_not_run(repository: Path, lender: Forge) -> None:
    hook = repository / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    await lent(repository, lender)


async def test_the_token_is_written_nowhere(repository: Path, lender: Forge) -> None:
    await lent(repository, lender)

    assert lender.token not in (repository / ".git" / "config").read_text()


async def test_a_branch_that_is_not_there_is_named(repository: Path, lender: Forge) -> None:
    with pytest.raises(Trouble, match="has no branch nowhere") as caught:
        await lent(repository, lender, "nowhere")

    assert "--base" in caught.value.remedy


async def test_a_repository_without_a_commit_is_told(tmp_path: Path, lender: Forge) -> None:
    git_ok("init", "--quiet", tmp_path / "empty")
    with pytest.raises(Trouble, match="with a commit on it"):
        await lent(tmp_path / "empty", lender)


async def test_a_repository_on_no_branch_is_told(repository: Path, lender: Forge) -> None:
    git_ok("switch", "--quiet", "--detach", inside=repository)
    with pytest.raises(Trouble, match="not on a branch"):
        await lent(repository, lender)


async def test_a_folder_that_is_no_repository_is_told(tmp_path: Path, lender: Forge) -> None:
    with pytest.raises(Trouble, match="not a git repository"):
        await lent(tmp_path, lender)


async def test_without_a_stack_there_is_nobody_to_lend_to(repository: Path) -> None:
    with pytest.raises(Trouble, match="no local stack") as caught:
        await lent(repository, Forge())

    assert "make run" in caught.value.remedy


async def test_a_forge_that_is_away_is_told(repository: Path) -> None:
    away = Forge(url="http://127.0.0.1:9", api_url="http://127.0.0.1:9/api", token="t")
    with pytest.raises(Trouble, match="forge did not answer"):
        await lent(repository, away)


async def test_a_machine_without_git_is_told(
    repository: Path, lender: Forge, tmp_path: Path
) -> None:
    with pytest.raises(Trouble, match="git is not on the PATH"):
        await lend(repository, "", lender, environment={"PATH": str(tmp_path)})
