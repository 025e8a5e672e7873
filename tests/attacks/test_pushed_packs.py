"""A worker that was taken over pushes with its real broker token and plain git.

What a forge runs or trusts does not reach the forge in any form unless a person has allowed that
very tree; an ordinary push does.
"""

import os
from datetime import timedelta

import pytest

from events import ApprovalRequested, CallId, WorkspacePrepared, request_id
from infra.git.forge_files import push_digest
from infra.runtime.clock import utc_now
from services.gateway.broker.git import push_reception
from tests.kit.repository.git_push import commit_all, remote_refs, tree_of, write_file
from tests.kit.servers.forge import git_ok

EVIL = ".github/workflows/evil.yml"


async def push(errand, clone, *options):
    return await errand.push(clone, *options, f"HEAD:refs/heads/{errand.branch}")


async def refused(errand, forge, clone, *options, why="has allowed exactly this push"):
    before = remote_refs(forge)
    pushed = await push(errand, clone, *options)
    assert pushed.code != 0
    assert why in pushed.errors, pushed.errors
    assert remote_refs(forge) == before
    return pushed


def gitlink(clone):
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    git_ok("update-index", "--add", "--cacheinfo", f"160000,{head},vendor/lib", inside=clone)
    write_file(
        clone, ".gitmodules", '[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://x.test/a\n'
    )
    git_ok("add", ".gitmodules", inside=clone)
    git_ok("commit", "-qm", "link", inside=clone)


def bare_gitlink(clone):
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    git_ok("update-index", "--add", "--cacheinfo", f"160000,{head},vendor/lib", inside=clone)
    git_ok("commit", "-qm", "link", inside=clone)


def linked_folder(clone):
    git_ok("mv", ".github", "ci", inside=clone)
    (clone / ".github").symlink_to("ci")
    commit_all(clone)


def known_folder(clone):
    """Mount a folder that the forge has already, so that no new tree below it is in the pack."""
    git_ok("rm", "-rq", ".github/workflows", inside=clone)
    git_ok("read-tree", "--prefix=.github/workflows/", "HEAD:templates/workflows", inside=clone)
    git_ok("commit", "-qm", "mount", inside=clone)


def hidden_below(clone):
    """The last commit takes back what the one below it has."""
    write_file(clone, EVIL)
    commit_all(clone)
    git_ok("rm", "-q", EVIL, inside=clone)
    write_file(clone, "more.txt")
    commit_all(clone)


def on_top(clone):
    write_file(clone, "more.txt")
    commit_all(clone)
    write_file(clone, EVIL)
    commit_all(clone)


def merged(clone):
    git_ok("checkout", "-q", "-b", "side", inside=clone)
    write_file(clone, EVIL)
    commit_all(clone)
    git_ok("checkout", "-q", "main", inside=clone)
    write_file(clone, "more.txt")
    commit_all(clone)
    git_ok("merge", "-q", "-s", "ours", "-m", "both", "side", inside=clone)


def file(name, content="x\n"):
    def change(clone):
        write_file(clone, name, content)
        commit_all(clone)

    return change


def mode(clone):
    (clone / ".github/workflows/ci.yml").chmod(0o755)
    commit_all(clone)


def deletion(clone):
    git_ok("rm", "-q", "CODEOWNERS", inside=clone)
    commit_all(clone)


WAYS = {
    "a_workflow": file(EVIL),
    "an_edited_workflow": file(".github/workflows/ci.yml", "on: pull_request_target\n"),
    "another_case": file(".GitHub/WorkFlows/evil.yml"),
    "gitlab": file(".gitlab-ci.yml"),
    "gitlab_in_capitals": file(".GITLAB-CI.YML"),
    "owners": file("docs/CODEOWNERS", "* @eve\n"),
    "jenkins_far_below": file("/".join(["d" * 80] * 5) + "/Jenkinsfile"),
    "an_odd_name": file(".github/workflows/e\u202evil\n.yml"),
    "a_submodule": gitlink,
    "a_link_to_a_commit": bare_gitlink,
    "a_linked_folder": linked_folder,
    "a_folder_the_forge_knows": known_folder,
    "below_an_innocent_commit": hidden_below,
    "on_top_of_an_innocent_commit": on_top,
    "beside_a_merge": merged,
    "a_mode": mode,
    "a_deletion": deletion,
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_forge_runs_or_trusts_is_not_pushed(errand, forge, clone, way):
    WAYS[way](clone)
    await refused(errand, forge, clone)


async def test_ordinary_work_is_pushed_again_and_again(errand, forge, clone):
    for number in range(3):
        write_file(clone, "src/deep/main.py", f"print({number})\n" * 200)
        write_file(clone, ".github/ISSUE_TEMPLATE.md", f"{number}\n")
        commit_all(clone)
        pushed = await push(errand, clone)
        assert pushed.code == 0, pushed.errors
        assert git_ok("rev-parse", "HEAD", inside=clone).strip() in remote_refs(forge)


async def test_a_branch_that_holds_nothing_new_is_pushed(errand, clone):
    assert (await push(errand, clone)).code == 0


async def test_a_later_push_and_a_forced_one_are_looked_into_too(errand, forge, clone):
    write_file(clone, "work.txt")
    commit_all(clone)
    assert (await push(errand, clone)).code == 0
    write_file(clone, EVIL)
    commit_all(clone)
    await refused(errand, forge, clone)
    git_ok("reset", "-q", "--hard", "HEAD~2", inside=clone)
    write_file(clone, EVIL)
    commit_all(clone)
    await refused(errand, forge, clone, "--force")


async def test_one_push_moves_one_branch_once(errand, forge, clone):
    write_file(clone, "work.txt")
    commit_all(clone)
    before = remote_refs(forge)
    both = await errand.push(clone, f"HEAD:refs/heads/{errand.branch}", "HEAD:refs/heads/main")
    assert both.code != 0
    assert remote_refs(forge) == before


async def test_a_branch_of_someone_elses_commit_is_not_pushed(errand, forge, clone, tmp_path):
    """The forge has the commit already, on another branch; the push brings no object at all."""
    other = tmp_path / "other"
    git_ok("clone", forge.clone_url("app"), other)
    write_file(other, EVIL)
    commit_all(other)
    git_ok("push", "origin", "HEAD:refs/heads/other", inside=other)
    git_ok("fetch", forge.clone_url("app"), "refs/heads/other", inside=clone)
    git_ok("checkout", "-q", "FETCH_HEAD", inside=clone)
    await refused(errand, forge, clone, why="grows from")
    evil = git_ok("rev-parse", "HEAD", inside=clone).strip()
    await errand.world.append(
        errand.attempt.history,
        WorkspacePrepared(commit=evil, base="main", branch=errand.branch, seconds=1),
    )
    await refused(errand, forge, clone)  # what a worker says it began from has to be on the base


async def prepared(errand, clone):
    """The worker says what it began from."""
    base = git_ok("rev-parse", "HEAD", inside=clone).strip()
    await errand.world.append(
        errand.attempt.history,
        WorkspacePrepared(commit=base, base="main", branch=errand.branch, seconds=1),
    )


async def test_work_from_an_older_state_of_the_base_is_pushed(errand, forge, clone, tmp_path):
    await prepared(errand, clone)
    moved = tmp_path / "moved"
    git_ok("clone", forge.clone_url("app"), moved)
    for number in range(3):
        write_file(moved, ".github/workflows/ci.yml", f"on: push # {number}\n")
        commit_all(moved)
    git_ok("push", "origin", "HEAD:refs/heads/main", inside=moved)
    for number in range(2):
        write_file(clone, "src/deep/main.py", f"print({number})\n")
        commit_all(clone)
        pushed = await push(errand, clone)
        assert pushed.code == 0, pushed.errors
    write_file(clone, EVIL)
    commit_all(clone)
    await refused(errand, forge, clone)


async def ask(errand, paths, tree, *, verdict="allow", tool="push"):
    """The worker asks for an approval; the person answers at the gateway."""
    digest = push_digest(tuple(paths), tree)
    history = errand.attempt.history
    request = request_id(history.task, CallId(f"s\n{digest}"))
    await errand.world.append(
        history,
        ApprovalRequested(
            request=request,
            call="s",
            tool=tool,
            title="Push a file that the forge runs or trusts",
            digest=digest,
            covers="pushing",
            command="\n".join(paths),
            expires_at=utc_now() + timedelta(hours=1),
        ),
    )
    answer = await errand.ada.post(
        f"/v1/tasks/{errand.task}/approvals/{request}", {"digest": digest, "verdict": verdict}
    )
    assert answer.status_code < 300, answer.text


async def test_what_a_person_allowed_is_pushed_and_nothing_else(errand, forge, clone):
    write_file(clone, EVIL)
    commit_all(clone)
    await ask(errand, [EVIL], tree_of(clone))
    write_file(clone, "more.txt")
    git_ok("add", "-A", inside=clone)
    git_ok("commit", "-q", "--amend", "-m", "more", inside=clone)
    await refused(errand, forge, clone)
    (clone / "more.txt").unlink()
    git_ok("add", "-A", inside=clone)
    git_ok("commit", "-q", "--amend", "-m", "as shown", inside=clone)
    pushed = await push(errand, clone)
    assert pushed.code == 0, pushed.errors


@pytest.mark.parametrize(
    "approval",
    [{"verdict": "deny"}, {"tool": "bash"}, {"paths": ["README.md"]}, {"tree": "0" * 40}],
    ids=str,
)
async def test_another_answer_allows_nothing(errand, forge, clone, approval):
    write_file(clone, EVIL)
    commit_all(clone)
    known = {"paths": [EVIL], "tree": tree_of(clone), **approval}
    await ask(errand, known.pop("paths"), known.pop("tree"), **known)
    await refused(errand, forge, clone)


async def test_a_pack_that_is_too_large_is_refused_before_it_is_whole(
    errand, forge, clone, monkeypatch
):
    monkeypatch.setattr(push_reception, "MAX_PACK_BYTES", 1024 * 1024)
    (clone / "noise.bin").write_bytes(os.urandom(3 * 1024 * 1024))
    commit_all(clone)
    before = remote_refs(forge)
    assert (await push(errand, clone)).code != 0
    assert remote_refs(forge) == before


async def test_nothing_of_a_push_stays_on_the_gateways_disk(
    errand, forge, clone, tmp_path, monkeypatch
):
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))
    write_file(clone, "work.txt")
    commit_all(clone)
    assert (await push(errand, clone)).code == 0
    write_file(clone, EVIL)
    commit_all(clone)
    await refused(errand, forge, clone)
    assert list(kept.glob("push-*")) == []
