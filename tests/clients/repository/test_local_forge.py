"""Push of a local repository to the real local forge, and fetch of the task's branch."""

import os
from pathlib import Path

import pytest

from clients.cli.errors import CliError
from clients.cli.repository.git import explain_git_error
from clients.cli.repository.local_forge import PushedRepository, fetch_task_branch, push_repository
from events.protocol.local_stack import LocalForge as Forge
from tests.kit.servers.forge import LocalForge, git_ok

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
def target(forge: LocalForge) -> Forge:
    return Forge(url=forge.url, api_url=forge.api_url, token=forge.token)


async def push(path: Path, forge: Forge, base: str = "") -> PushedRepository:
    return await push_repository(path, base, forge, environment=ENVIRONMENT)


async def test_the_current_branch_is_on_the_forge(repository: Path, target: Forge) -> None:
    found = await push(repository, target)

    assert found.base == "trunk"
    assert found.path == repository
    assert found.url.startswith(f"{target.url}/errand/my-project-")
    there = git_ok("ls-remote", found.url, "refs/heads/trunk")
    assert there.split()[0] == git_ok("rev-parse", "HEAD", inside=repository)


async def test_another_push_brings_the_forge_up_to_date(repository: Path, target: Forge) -> None:
    first = await push(repository, target)
    git_ok("commit", "--quiet", "--amend", "-m", "Otherwise", inside=repository)

    again = await push(repository, target)

    assert again == first
    there = git_ok("ls-remote", again.url, "refs/heads/trunk")
    assert there.split()[0] == git_ok("rev-parse", "HEAD", inside=repository)


async def test_a_folder_inside_the_repository_will_do(repository: Path, target: Forge) -> None:
    (repository / "inner").mkdir()

    found = await push(repository / "inner", target)
    assert (found.path, found.inside) == (repository, "inner")


async def test_the_branch_of_the_task_comes_back(
    repository: Path, target: Forge, tmp_path: Path
) -> None:
    found = await push(repository, target)
    _work(found, tmp_path / "worker", "two\n")

    await fetch_task_branch(found, "errand/task_1", target, environment=ENVIRONMENT)

    assert git_ok("show", "errand/task_1:a.txt", inside=repository) == "two"
    assert git_ok("branch", "--show-current", inside=repository) == "trunk"
    assert (repository / "a.txt").read_text() == "one\n"


async def test_commits_a_person_made_on_the_tasks_branch_are_not_lost(
    repository: Path, target: Forge, tmp_path: Path
) -> None:
    found = await push(repository, target)
    _work(found, tmp_path / "worker", "two\n")
    git_ok("switch", "--quiet", "--create", "errand/task_1", inside=repository)
    git_ok("commit", "--quiet", "--allow-empty", "-m", "Mine", inside=repository)
    git_ok("switch", "--quiet", "trunk", inside=repository)
    mine = git_ok("rev-parse", "errand/task_1", inside=repository)

    with pytest.raises(CliError, match="rejected") as caught:
        await fetch_task_branch(found, "errand/task_1", target, environment=ENVIRONMENT)

    assert caught.value.remedy.endswith("git merge errand/errand/task_1")
    assert git_ok("show", "errand/errand/task_1:a.txt", inside=repository) == "two"

    assert git_ok("rev-parse", "errand/task_1", inside=repository) == mine


def _work(pushed: PushedRepository, folder: Path, content: str) -> None:
    git_ok("clone", "--quiet", "--branch", pushed.base, pushed.url, folder)
    (folder / "a.txt").write_text(content)
    git_ok("commit", "--quiet", "--all", "-m", "Work", inside=folder)
    git_ok("push", "--quiet", "origin", "HEAD:refs/heads/errand/task_1", inside=folder)


async def test_a_hook_of_the_person_is_not_run(repository: Path, target: Forge) -> None:
    hook = repository / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    await push(repository, target)


async def test_the_token_is_written_nowhere(repository: Path, target: Forge) -> None:
    await push(repository, target)

    assert target.token not in (repository / ".git" / "config").read_text()


async def test_a_branch_that_is_not_there_is_named(repository: Path, target: Forge) -> None:
    with pytest.raises(CliError, match="has no branch nowhere") as caught:
        await push(repository, target, "nowhere")

    assert "--base" in caught.value.remedy


async def test_a_repository_without_a_commit_is_told(tmp_path: Path, target: Forge) -> None:
    git_ok("init", "--quiet", tmp_path / "empty")
    with pytest.raises(CliError, match="with a commit on it"):
        await push(tmp_path / "empty", target)


async def test_a_repository_on_no_branch_is_told(repository: Path, target: Forge) -> None:
    git_ok("switch", "--quiet", "--detach", inside=repository)
    with pytest.raises(CliError, match="not on a branch"):
        await push(repository, target)


async def test_a_folder_that_is_no_repository_is_told(tmp_path: Path, target: Forge) -> None:
    with pytest.raises(CliError, match="not a git repository"):
        await push(tmp_path, target)


async def test_without_a_stack_there_is_no_forge_to_push_to(repository: Path) -> None:
    with pytest.raises(CliError, match="no local stack") as caught:
        await push(repository, Forge())

    assert "make run" in caught.value.remedy


async def test_a_forge_that_is_away_is_told(repository: Path) -> None:
    away = Forge(url="http://127.0.0.1:9", api_url="http://127.0.0.1:9/api", token="t")
    with pytest.raises(CliError, match="forge did not answer"):
        await push(repository, away)


async def test_a_machine_without_git_is_told(
    repository: Path, target: Forge, tmp_path: Path
) -> None:
    with pytest.raises(CliError, match="git was not found on the PATH"):
        await push_repository(repository, "", target, environment={"PATH": str(tmp_path)})


async def test_the_branch_comes_back_while_one_stands_on_it(
    repository: Path, target: Forge, tmp_path: Path
) -> None:
    found = await push(repository, target)
    _work(found, tmp_path / "worker", "two\n")
    await fetch_task_branch(found, "errand/task_1", target, environment=ENVIRONMENT)
    git_ok("switch", "--quiet", "errand/task_1", inside=repository)
    worker = tmp_path / "worker"
    (worker / "a.txt").write_text("three\n")
    git_ok("commit", "--quiet", "--all", "-m", "More", inside=worker)
    git_ok("push", "--quiet", "origin", "HEAD:refs/heads/errand/task_1", inside=worker)

    await fetch_task_branch(found, "errand/task_1", target, environment=ENVIRONMENT)

    assert (repository / "a.txt").read_text() == "three\n"
    assert git_ok("status", "--porcelain", inside=repository) == ""


QUIRKS = {
    "badTimezone": ("a <a@b> 1 +051800", ""),
    "missingSpaceBeforeDate": ("a <a@b>1 +0000", ""),
    "missingSpaceBeforeEmail": ("a<a@b> 1 +0000", ""),
    "missingNameBeforeEmail": ("<a@b> 1 +0000", ""),
    "zeroPaddedDate": ("a <a@b> 01 +0000", ""),
    "badDateOverflow": ("a <a@b> 99999999999999999999 +0000", ""),
    "badName": ("a > <a@b> 1 +0000", ""),
    "badEmail": ("a <a<b> 1 +0000", ""),
    "missingEmail": ("a", ""),
    "multipleAuthors": ("a <a@b> 1 +0000", "author b <a@b> 1 +0000\n"),
    "zeroPaddedFilemode": ("a <a@b> 1 +0000", ""),
}


@pytest.mark.parametrize("quirk", QUIRKS)
async def test_an_old_history_with_a_quirk_is_taken(
    repository: Path, target: Forge, tmp_path: Path, quirk: str
) -> None:
    author, more = QUIRKS[quirk]
    tree = git_ok("rev-parse", "HEAD^{tree}", inside=repository)
    if quirk == "zeroPaddedFilemode":
        blob = bytes.fromhex(git_ok("rev-parse", "HEAD:a.txt", inside=repository))
        tree = made(repository, tmp_path, "tree", b"0100644 a.txt\0" + blob)
    text = f"tree {tree}\nauthor {author}\n{more}committer c <c@d> 1 +0000\n\nOld\n"
    commit = made(repository, tmp_path, "commit", text.encode())
    git_ok("update-ref", "refs/heads/old", commit, inside=repository)

    found = await push(repository, target, "old")

    assert git_ok("ls-remote", found.url, "refs/heads/old").split()[0] == commit


def made(repository: Path, folder: Path, kind: str, content: bytes) -> str:
    """Make an object that git itself would not make."""
    (folder / "object").write_bytes(content)
    words = ("hash-object", "-t", kind, "-w", "--literally", str(folder / "object"))
    return git_ok(*words, inside=repository)


async def test_what_is_no_quirk_but_a_danger_stays_refused_in_words(
    repository: Path, target: Forge, tmp_path: Path
) -> None:
    blob = bytes.fromhex(git_ok("rev-parse", "HEAD:a.txt", inside=repository))
    tree = made(repository, tmp_path, "tree", b"100644 .git\0" + blob)
    text = f"tree {tree}\nauthor a <a@b> 1 +0000\ncommitter c <c@d> 1 +0000\n\nOld\n"
    commit = made(repository, tmp_path, "commit", text.encode())
    git_ok("update-ref", "refs/heads/old", commit, inside=repository)

    with pytest.raises(CliError, match=r"object [0-9a-f]{12} is damaged \(hasDotgit\)") as caught:
        await push(repository, target, "old")

    assert "git fsck" in caught.value.remedy


async def test_a_shallow_clone_is_completed_from_its_remote(
    repository: Path, target: Forge, tmp_path: Path
) -> None:
    git_ok("commit", "--quiet", "--allow-empty", "-m", "Second", inside=repository)
    shallow = tmp_path / "shallow"
    git_ok("clone", "--quiet", "--depth", "1", f"file://{repository}", shallow)
    told: list[str] = []

    found = await push_repository(shallow, "", target, environment=ENVIRONMENT, notify=told.append)

    assert git_ok("ls-remote", found.url, "refs/heads/trunk").split()[0] == git_ok(
        "rev-parse", "HEAD", inside=repository
    )
    assert "is a shallow clone" in told[0]


@pytest.mark.parametrize("remote", ["", "/nowhere"])
async def test_a_shallow_clone_that_cannot_be_completed_is_said(
    repository: Path, target: Forge, tmp_path: Path, remote: str
) -> None:
    git_ok("commit", "--quiet", "--allow-empty", "-m", "Second", inside=repository)
    shallow = tmp_path / "shallow"
    git_ok("clone", "--quiet", "--depth", "1", f"file://{repository}", shallow)
    change = ("set-url", "origin", remote) if remote else ("remove", "origin")
    git_ok("remote", *change, inside=shallow)

    with pytest.raises(CliError, match="is a shallow clone") as caught:
        await push(shallow, target)

    assert caught.value.remedy


async def test_a_bare_repository_and_a_linked_worktree_can_be_sent(
    repository: Path, target: Forge, tmp_path: Path
) -> None:
    bare, linked = tmp_path / "bare.git", tmp_path / "linked"
    git_ok("clone", "--quiet", "--bare", repository, bare)
    git_ok("worktree", "add", "--quiet", linked, "-b", "side", inside=repository)

    assert (await push(bare, target)).base == "trunk"
    assert (await push(linked, target)).base == "side"


async def test_changes_are_said_and_left_out(repository: Path, target: Forge) -> None:
    (repository / "a.txt").write_text("changed\n")
    (repository / "new.txt").write_text("new\n")
    told: list[str] = []

    found = await push_repository(
        repository, "", target, environment=ENVIRONMENT, notify=told.append
    )

    assert told == [
        (
            "2 changes are not committed and not sent: a.txt, new.txt."
            " To send them, add --include-changes."
        )
    ]
    there = git_ok("ls-remote", found.url, "refs/heads/trunk")
    assert there.split()[0] == git_ok("rev-parse", "HEAD", inside=repository)


async def test_changes_go_along_on_demand_and_stay_as_they_are(
    repository: Path, target: Forge, tmp_path: Path
) -> None:
    (repository / ".gitignore").write_text("secret\n")
    (repository / "secret").write_text("not to be sent\n")
    (repository / "a.txt").write_text("changed\n")
    (repository / "inner").mkdir()
    (repository / "inner" / "new.txt").write_text("new\n")
    before = git_ok("status", "--porcelain", inside=repository)
    head = git_ok("rev-parse", "HEAD", inside=repository)

    found = await push_repository(
        repository, "", target, environment=ENVIRONMENT, with_changes=True
    )

    clone = tmp_path / "clone"
    git_ok("clone", "--quiet", found.url, clone)
    assert (clone / "a.txt").read_text() == "changed\n"
    assert (clone / "inner" / "new.txt").read_text() == "new\n"
    assert not (clone / "secret").exists()
    assert git_ok("rev-parse", "HEAD^", inside=clone) == head
    assert git_ok("status", "--porcelain", inside=repository) == before
    assert git_ok("rev-parse", "HEAD", inside=repository) == head


async def test_submodules_and_large_files_elsewhere_are_said(
    repository: Path, target: Forge, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git_ok("clone", "--quiet", repository, other)
    allowed = ("-c", "protocol.file.allow=always")
    git_ok(*allowed, "submodule", "--quiet", "add", str(other), "mod", inside=repository)
    (repository / ".gitattributes").write_text("*.bin filter=lfs\n")
    git_ok("add", "--all", inside=repository)
    git_ok("commit", "--quiet", "-m", "More", inside=repository)
    told: list[str] = []

    await push_repository(repository, "", target, environment=ENVIRONMENT, notify=told.append)

    assert told == [
        "Submodules are not sent; the agent sees empty folders: mod.",
        "Files in Git LFS are sent as pointers; the agent does not see their contents.",
    ]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("http.proxy", "http://127.0.0.1:9"),
        ("push.pushOption", "ci.skip"),
        ("push.gpgSign", "true"),
        ("push.recurseSubmodules", "on-demand"),
        ("core.hooksPath", "/nowhere"),
    ],
)
async def test_what_a_person_has_set_for_other_remotes_is_not_for_this_one(
    repository: Path, target: Forge, setting: str, value: str
) -> None:
    git_ok("config", setting, value, inside=repository)

    assert (await push(repository, target)).base == "trunk"


def test_what_git_says_of_anothers_repository_is_explained(tmp_path: Path) -> None:
    said = f"fatal: detected dubious ownership in repository at '{tmp_path}'"
    what, remedy = explain_git_error(tmp_path, said)
    assert "belongs to another user" in what
    assert remedy.endswith(f"--add safe.directory {tmp_path}")
