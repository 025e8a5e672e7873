"""The task's repository, from a real forge into a real sandbox and back."""

import os

import msgspec
import pytest

from services.worker.agent.failures.outage import Unreachable
from services.worker.ports import WorkspaceRefused
from services.worker.retry import RetryPolicy, RetrySettings
from services.worker.workspace.limits import WorkspaceLimits
from tests.kit.repository.task_workspace import BRANCH, KIND, Place, publish, pushed_file, stored
from tests.kit.servers.forge import TOKEN, git_ok
from tests.kit.servers.sandboxes import running_sandbox

BRIEF_PAUSES = RetryPolicy(RetrySettings(first_pause_seconds=0.01, max_pause_seconds=0.05))


async def test_the_base_stands_in_the_sandbox_with_its_history(source, place):
    (source / "a").mkdir()
    (source / "a" / "b.txt").write_text("one\n")
    commit = publish(source, message="a second commit")
    prepared = await place.workspace.prepare(base="")
    assert (prepared.commit, prepared.base, prepared.branch) == (commit, "main", BRANCH)
    assert await place.bash("cat a/b.txt; git status --porcelain; git log -1 --format=%s") == (
        "one\na second commit\n"
    )
    assert await place.bash("git log --oneline | wc -l; git diff; git branch") == "2\n* main\n"
    await place.bash("git commit -q --allow-empty -m 'the agent may commit'")


async def test_an_untouched_workspace_has_no_snapshot_and_no_diff(source, place):
    await place.workspace.prepare(base="main")
    assert await place.workspace.snapshot() is None
    assert await place.workspace.diff() == ""
    with pytest.raises(WorkspaceRefused) as refused:
        await place.push()
    assert refused.value.reason == "no_changes"


async def test_a_snapshot_counts_what_changed_and_comes_once(source, place):
    (source / "old.txt").write_text("1\n2\n3\n")
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash(
        "printf '1\\n2\\nthree\\n' > old.txt; printf 'n\\n' > new.txt; printf '\\0' > bin"
    )
    snapshot = await place.taken()
    assert (snapshot.files, snapshot.insertions, snapshot.deletions) == (3, 2, 1)
    assert await place.workspace.snapshot() is None
    diff = await place.workspace.diff()
    assert "-3\n+three\n" in diff
    assert "b/new.txt" in diff


async def test_a_change_is_seen_however_soon_it_comes(source, place):
    await place.workspace.prepare(base="")
    trees = set()
    for number in range(10, 16):
        await place.bash(f"printf {number} > x")
        trees.add((await place.taken()).tree)
        assert await place.workspace.snapshot() is None
    assert len(trees) == 6


async def test_work_undone_is_a_snapshot_too(source, place):
    await place.workspace.prepare(base="")
    await place.bash("echo x > x")
    await place.taken()
    await place.bash("rm x")
    snapshot = await place.taken()
    assert (snapshot.files, snapshot.insertions) == (0, 0)
    assert await place.workspace.diff() == ""


async def test_the_next_attempt_goes_on_from_the_snapshot(source, place, blobs):
    (source / "gone.txt").write_text("gone\n")
    first = publish(source)
    await place.workspace.prepare(base="")
    await place.bash("rm gone.txt; mkdir -p d; echo work > d/new; chmod +x d/new; ln -s d/new link")
    restore = await stored(blobs, await place.taken())
    (source / "later.txt").write_text("later\n")
    publish(source, message="the base moves on")
    async with running_sandbox(KIND, task="task_second") as sandbox:
        second = Place(sandbox, blobs, place.url, place.scratch)
        prepared = await second.workspace.prepare(base="main", commit=first, restore=restore)
        assert prepared.commit == first
        assert await second.bash("ls; cat link; test -x d/new; git log -1 --format=%H") == (
            f"README.md\nd\nlink\nwork\n{first}\n"
        )
        assert await second.workspace.snapshot() is None
        assert "deleted file" in await second.workspace.diff()
        assert (await second.bash("git status --porcelain")).split("\n")[:2] == [
            " D gone.txt",
            "?? d/",
        ]
        commit = await second.push()
    git_ok("fetch", "-q", "origin", BRANCH, inside=source)
    assert git_ok("rev-parse", f"{commit}^", inside=source) == first


async def test_a_fork_begins_with_another_tasks_files_and_keeps_them_as_its_own(
    source, place, blobs
):
    (source / "old.txt").write_text("old\n")
    first = publish(source)
    await place.workspace.prepare(base="")
    await place.bash("rm old.txt; echo theirs > new.txt")
    theirs = await stored(blobs, await place.taken())
    (source / "later.txt").write_text("later\n")
    publish(source, message="the base moves on")
    async with running_sandbox(KIND, task="task_fork") as sandbox:
        fork = Place(sandbox, blobs, place.url, place.scratch)
        await fork.workspace.prepare(base="main", commit=first, restore=theirs, is_fork=True)
        assert await fork.bash("ls; cat new.txt") == "README.md\nnew.txt\ntheirs\n"
        own = await fork.taken()
        assert (own.tree, own.files, own.insertions, own.deletions) == (theirs.tree, 2, 1, 1)
        assert {change.path for change in own.changes.files} == {"old.txt", "new.txt"}
        assert await fork.workspace.snapshot() is None
        blobs.held.pop(theirs.pack.key)
        again = await stored(blobs, own)
    async with running_sandbox(KIND, task="task_fork") as sandbox:
        second = Place(sandbox, blobs, place.url, place.scratch)
        await second.workspace.prepare(base="main", commit=first, restore=again)
        assert await second.bash("cat new.txt") == "theirs\n"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda taken, held: held.update({taken.pack.key: b"x"}), "not what was taken"),
        (lambda _taken, held: held.clear(), "cannot be restored"),
    ],
)
async def test_a_snapshot_that_was_tampered_with_or_is_gone_is_not_restored(
    source, place, blobs, spoil, why
):
    await place.workspace.prepare(base="")
    await place.bash("echo work > new")
    restore = await stored(blobs, await place.taken())
    spoil(restore, blobs.held)
    with pytest.raises(WorkspaceRefused, match=why) as refused:
        await place.make().prepare(base="", restore=restore)
    assert refused.value.reason == "snapshot_lost"
    assert refused.value.remedy


@pytest.mark.parametrize("tree", ["", "\0", "HEAD", "--all", "t" * 40, "\U0001f642"])
async def test_a_snapshot_of_what_is_no_tree_is_not_restored(source, place, blobs, tree):
    await place.workspace.prepare(base="")
    await place.bash("echo work > new")
    restore = await stored(blobs, await place.taken())
    with pytest.raises(WorkspaceRefused, match="no tree") as refused:
        await place.make().prepare(base="", restore=msgspec.structs.replace(restore, tree=tree))
    assert refused.value.reason == "snapshot_lost"


async def test_a_base_that_no_program_can_be_told_is_not_found(source, place):
    with pytest.raises(WorkspaceRefused) as refused:
        await place.workspace.prepare(base="main\0", commit="\0")
    assert refused.value.reason == "base_not_found"


async def test_the_work_is_committed_and_pushed_once(source, place):
    await place.workspace.prepare(base="")
    await place.bash("echo work > work.txt")
    commit = await place.push()
    assert await place.push() == commit
    assert pushed_file(source, "work.txt") == "work"
    shown = git_ok("log", "-1", "--format=%an|%ae|%aI|%B", commit, inside=source)
    assert shown == (
        "Errand|errand@localhost|2026-03-01T12:00:00+00:00|Fix it\n\nBecause.\n\n"
        "Task: task_a\nEvent: evt_b"
    )
    assert git_ok("interpret-trailers", "--parse", inside=source) == ""


async def test_more_work_goes_on_top_of_what_was_pushed(source, place):
    await place.workspace.prepare(base="")
    await place.bash("echo one > work.txt")
    first = await place.push()
    await place.bash("echo two > work.txt")
    second = await place.push()
    assert pushed_file(source, "work.txt") == "two"
    assert git_ok("rev-parse", f"{second}^", inside=source) == first


async def test_another_attempt_finds_the_same_work_pushed(source, place, blobs):
    await place.workspace.prepare(base="")
    await place.bash("echo work > work.txt")
    restore = await stored(blobs, await place.taken())
    commit = await place.push()
    async with running_sandbox(KIND, task="task_second") as sandbox:
        second = Place(sandbox, blobs, place.url, place.scratch)
        await second.workspace.prepare(base="", restore=restore)
        assert await second.push() == commit


async def test_a_push_whose_answer_was_lost_is_found_done(source, place, forge):
    await place.workspace.prepare(base="")
    await place.bash("echo work > work.txt")
    forge.order("drop_push_reply", times=1)
    commit = await place.push()
    assert pushed_file(source, "work.txt") == "work"
    assert git_ok("rev-parse", "refs/pushed", inside=source) == commit


async def test_a_push_that_is_not_answered_is_made_again_and_again(source, place, forge):
    """A push may find nobody more often than any number of tries; the task does not fail of it."""
    workspace = place.make(retry=BRIEF_PAUSES)
    await workspace.prepare(base="")
    await place.bash("printf work > work.txt")
    forge.order("fail", status=500, times=15, path="git-receive-pack")
    await workspace.commit_and_push(title="Fix it", body="", trailers={"Task": "task_a"})
    assert pushed_file(source, "work.txt") == "work"


async def test_a_push_that_is_never_answered_says_who_is_away(source, place, forge):
    workspace = place.make(retry=RetryPolicy(RetrySettings(seconds=1.0)))
    await workspace.prepare(base="")
    await place.bash("printf work > work.txt")
    forge.order("fail", status=500, times=None, path="git-receive-pack")
    with pytest.raises(Unreachable, match="The gateway did not answer") as caught:
        await workspace.commit_and_push(title="Fix it", body="", trailers={"Task": "task_a"})
    assert caught.value.reason == "gateway_unreachable"


async def test_a_push_that_the_forge_refuses_says_so(source, place, forge):
    await place.workspace.prepare(base="")
    await place.bash("echo work > work.txt")
    forge.order("refuse_push", times=5)
    with pytest.raises(WorkspaceRefused) as refused:
        await place.push()
    assert refused.value.reason == "push_refused"
    assert refused.value.remedy


async def refusal(place: Place, *, base: str = "", **changed) -> WorkspaceRefused:
    with pytest.raises(WorkspaceRefused) as refused:
        await place.make(**changed).prepare(base=base)
    assert refused.value.detail
    assert refused.value.remedy
    assert TOKEN not in refused.value.detail
    return refused.value


async def test_a_repository_that_is_not_there_is_named(source, place, forge):
    refused = await refusal(place, url=forge.clone_url("absent"))
    assert refused.reason == "repository_not_found"


async def test_a_token_that_is_refused_is_named(source, place):
    refused = await refusal(place, token="wrong")
    assert refused.reason == "repository_refused"


async def test_a_base_that_is_not_there_tells_which_are(source, place):
    publish(source, branch="next")
    refused = await refusal(place, base="mian")
    assert refused.reason == "base_not_found"
    assert "'mian'" in refused.detail
    assert "main, next" in refused.remedy


@pytest.mark.parametrize(
    "base", ["--upload-pack=touch x", "$(id)", "a b", "../main", "main:x", "\n"]
)
async def test_an_odd_base_is_only_a_branch_that_is_not_there(source, place, base):
    assert (await refusal(place, base=base)).reason == "base_not_found"


async def test_an_empty_repository_is_told_to_begin(forge, place):
    forge.create("empty", auto_init=False)
    refused = await refusal(place, url=forge.clone_url("empty"))
    assert (refused.reason, "first commit" in refused.remedy) == ("base_not_found", True)


async def test_a_gateway_that_does_not_answer_is_named(place, unused_tcp_port_url):
    workspace = place.make(url=unused_tcp_port_url, retry=RetryPolicy(RetrySettings(seconds=1.0)))
    with pytest.raises(Unreachable, match="The gateway did not answer") as caught:
        await workspace.fetch(base="")
    assert caught.value.reason == "gateway_unreachable"


@pytest.fixture
def unused_tcp_port_url() -> str:
    return "http://127.0.0.1:1/a/b.git"


async def test_a_forge_that_fails_for_a_moment_is_asked_again(source, place, forge):
    forge.order("fail", status=503, times=1)
    assert (await place.workspace.prepare(base="")).base == "main"


async def test_a_repository_beyond_the_limit_is_refused(source, place):
    (source / "noise").write_bytes(os.urandom(30_000_000))
    publish(source)
    refused = await refusal(place, limits=WorkspaceLimits(repository_bytes=1_000_000))
    assert refused.reason == "repository_too_large"


async def test_work_beyond_the_limit_is_refused(source, place):
    workspace = place.make(limits=WorkspaceLimits(snapshot_bytes=1_000_000))
    await workspace.prepare(base="")
    await place.bash("head -c 3000000 /dev/urandom > noise")
    with pytest.raises(WorkspaceRefused) as refused:
        await workspace.snapshot()
    assert refused.value.reason == "repository_too_large"


async def test_closing_leaves_nothing_behind(source, place):
    await place.workspace.prepare(base="")
    await place.workspace.close()
    assert list(place.scratch.glob("repository-*")) == []
