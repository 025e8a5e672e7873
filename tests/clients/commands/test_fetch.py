"""`errand fetch` and the branch it takes: the task's own, and no other."""

import subprocess
from pathlib import Path

import pytest

from tests.clients.errand_process import ME, TASK, errand
from tests.kit.build.api_answers import answer, task_state
from tests.kit.fakes.scripted_http import scripted_http
from tests.kit.servers.forge import git_ok


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Return a repository with a task's branch, and with others of the same commit."""
    folder = tmp_path / "remote"
    git_ok("init", "--quiet", "--initial-branch", "main", folder)
    git_ok("commit", "--quiet", "--allow-empty", "-m", "Work", inside=folder)
    for branch in (f"errand/{TASK}", "errand/task_other", "release"):
        git_ok("branch", branch, inside=folder)
    return folder


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    git_ok("init", "--quiet", "--initial-branch", "main", folder)
    return folder


def fetched(folder: Path, remote: Path, branch: str) -> "subprocess.CompletedProcess[str]":
    """Fetch a task whose history names this branch, into the folder."""
    state = task_state(phase="finished", branch=branch, repository={"url": f"file://{remote}"})
    with scripted_http() as gateway:
        gateway.answers = [ME, answer(state)]
        return errand(folder, "fetch", TASK, "--into", ".", gateway=gateway)


def branches(folder: Path) -> str:
    return git_ok("for-each-ref", "--format=%(refname)", inside=folder)


def test_the_branch_of_the_task_is_fetched(local: Path, remote: Path) -> None:
    ended = fetched(local, remote, f"errand/{TASK}")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"Branch errand/{TASK} is now in {local}.\n"
    assert branches(local) == f"refs/heads/errand/{TASK}"


@pytest.mark.parametrize(
    "branch", ["release", "main", "errand/task_other", f"errand/{TASK}/x", "a:b"]
)
def test_a_branch_of_another_name_is_refused(local: Path, remote: Path, branch: str) -> None:
    ended = fetched(local, remote, branch)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"names the branch “{branch}”" in ended.stderr
    assert f"only ever on errand/{TASK}" in ended.stderr
    assert "fetch it with git yourself" in ended.stderr
    assert branches(local) == ""
