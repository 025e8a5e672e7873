"""A worker that was taken over pushes with its real broker token and plain git.

What a forge runs or trusts does not reach the forge in any form unless a person has allowed that
very tree; an ordinary push does.
"""

import os
import struct
import zlib
from datetime import timedelta
from hashlib import sha1

import pytest

from events import ApprovalRequested, CallId, WorkspacePrepared, request_id
from infra.clock import utc_now
from infra.forge_files import push_digest
from services.gateway.broker import push_reception
from tests.gateway.conftest import a_world
from tests.gateway.test_broker_git import an_errand, forges
from tests.support.forge import git_ok

EVIL = ".github/workflows/evil.yml"


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


async def push(errand, clone, *options):
    return await errand.push(clone, *options, f"HEAD:refs/heads/{errand.branch}")


async def refused(errand, forge, clone, *options, why="has allowed exactly this push"):
    before = refs(forge)
    pushed = await push(errand, clone, *options)
    assert pushed.code != 0
    assert why in pushed.errors, pushed.errors
    assert refs(forge) == before
    return pushed


def gitlink(clone):
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    git_ok("update-index", "--add", "--cacheinfo", f"160000,{head},vendor/lib", inside=clone)
    put(clone, ".gitmodules", '[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://x.test/a\n')
    git_ok("add", ".gitmodules", inside=clone)
    git_ok("commit", "-qm", "link", inside=clone)


def bare_gitlink(clone):
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    git_ok("update-index", "--add", "--cacheinfo", f"160000,{head},vendor/lib", inside=clone)
    git_ok("commit", "-qm", "link", inside=clone)


def linked_folder(clone):
    git_ok("mv", ".github", "ci", inside=clone)
    (clone / ".github").symlink_to("ci")
    commit(clone)


def known_folder(clone):
    """Mount a folder that the forge has already, so that no new tree below it is in the pack."""
    git_ok("rm", "-rq", ".github/workflows", inside=clone)
    git_ok("read-tree", "--prefix=.github/workflows/", "HEAD:templates/workflows", inside=clone)
    git_ok("commit", "-qm", "mount", inside=clone)


def hidden_below(clone):
    """The last commit takes back what the one below it has."""
    put(clone, EVIL)
    commit(clone)
    git_ok("rm", "-q", EVIL, inside=clone)
    put(clone, "more.txt")
    commit(clone)


def on_top(clone):
    put(clone, "more.txt")
    commit(clone)
    put(clone, EVIL)
    commit(clone)


def merged(clone):
    git_ok("checkout", "-q", "-b", "side", inside=clone)
    put(clone, EVIL)
    commit(clone)
    git_ok("checkout", "-q", "main", inside=clone)
    put(clone, "more.txt")
    commit(clone)
    git_ok("merge", "-q", "-s", "ours", "-m", "both", "side", inside=clone)


def file(name, content="x\n"):
    def change(clone):
        put(clone, name, content)
        commit(clone)

    return change


def mode(clone):
    (clone / ".github/workflows/ci.yml").chmod(0o755)
    commit(clone)


def deletion(clone):
    git_ok("rm", "-q", "CODEOWNERS", inside=clone)
    commit(clone)


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
        put(clone, "src/deep/main.py", f"print({number})\n" * 200)
        put(clone, ".github/ISSUE_TEMPLATE.md", f"{number}\n")
        commit(clone)
        pushed = await push(errand, clone)
        assert pushed.code == 0, pushed.errors
        assert git_ok("rev-parse", "HEAD", inside=clone).strip() in refs(forge)


async def test_a_branch_that_holds_nothing_new_is_pushed(errand, clone):
    assert (await push(errand, clone)).code == 0


async def test_a_later_push_and_a_forced_one_are_looked_into_too(errand, forge, clone):
    put(clone, "work.txt")
    commit(clone)
    assert (await push(errand, clone)).code == 0
    put(clone, EVIL)
    commit(clone)
    await refused(errand, forge, clone)
    git_ok("reset", "-q", "--hard", "HEAD~2", inside=clone)
    put(clone, EVIL)
    commit(clone)
    await refused(errand, forge, clone, "--force")


async def test_one_push_moves_one_branch_once(errand, forge, clone):
    put(clone, "work.txt")
    commit(clone)
    before = refs(forge)
    both = await errand.push(clone, f"HEAD:refs/heads/{errand.branch}", "HEAD:refs/heads/main")
    assert both.code != 0
    assert refs(forge) == before


async def test_a_branch_of_someone_elses_commit_is_not_pushed(errand, forge, clone, tmp_path):
    """The forge has the commit already, on another branch; the push brings no object at all."""
    other = tmp_path / "other"
    git_ok("clone", forge.clone_url("app"), other)
    put(other, EVIL)
    commit(other)
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
    """The worker says what it began from, and the base moves on, in its workflows too."""
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
        put(moved, ".github/workflows/ci.yml", f"on: push # {number}\n")
        commit(moved)
    git_ok("push", "origin", "HEAD:refs/heads/main", inside=moved)
    for number in range(2):
        put(clone, "src/deep/main.py", f"print({number})\n")
        commit(clone)
        pushed = await push(errand, clone)
        assert pushed.code == 0, pushed.errors
    put(clone, EVIL)
    commit(clone)
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
    put(clone, EVIL)
    commit(clone)
    await ask(errand, [EVIL], tree_of(clone))
    put(clone, "more.txt")
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
    put(clone, EVIL)
    commit(clone)
    known = {"paths": [EVIL], "tree": tree_of(clone), **approval}
    await ask(errand, known.pop("paths"), known.pop("tree"), **known)
    await refused(errand, forge, clone)


# What git itself would not send.


def packet(content):
    return b"%04x" % (len(content) + 4) + content


def request(errand, new, pack, *, old="0" * 40, more=b"", capabilities=b"report-status"):
    line = f"{old} {new} refs/heads/{errand.branch}".encode()
    return packet(line + b"\0 " + capabilities) + more + b"0000" + pack


def entry(kind, content):
    size, head = len(content), []
    byte = (kind << 4) | (size & 15)
    size >>= 4
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    return bytes([*head, byte]) + zlib.compress(content)


def pack_of(*entries):
    whole = b"PACK" + struct.pack(">II", 2, len(entries)) + b"".join(entries)
    return whole + sha1(whole, usedforsecurity=False).digest()


def object_id(kind, content):
    said = f"{kind} {len(content)}\0".encode() + content
    return sha1(said, usedforsecurity=False).hexdigest()


async def send(errand, body):
    worker = await errand.world.client(errand.token)
    return await worker.post(
        f"{errand.url}/git-receive-pack",
        content=body,
        headers={"content-type": "application/x-git-receive-pack-request"},
        timeout=90,
    )


def commit_of(tree, parent):
    who = b"E <e@x.test> 1700000000 +0000"
    lines = b"tree %b\nparent %b\nauthor %b\ncommitter %b\n\nx\n"
    return lines % (tree.encode(), parent.encode(), who, who)


def odd_tree(clone, names):
    """A commit on the head whose tree has entries as no git would write them."""
    blob = b"on: push\n"
    raw = bytes.fromhex(object_id("blob", blob))
    tree = b"".join(b"100644 " + name + b"\0" + raw for name in names)
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    made = commit_of(object_id("tree", tree), head)
    return object_id("commit", made), pack_of(entry(3, blob), entry(2, tree), entry(1, made))


@pytest.mark.parametrize(
    "names",
    [
        [b".github/workflows/evil.yml"],
        [b"a", b"a"],
        [b"b", b"a", b".gitlab-ci.yml"],
        [b".git"],
        [b""],
        [b"."],
    ],
    ids=str,
)
async def test_a_tree_no_git_would_write_is_refused(errand, forge, clone, names):
    before = refs(forge)
    new, pack = odd_tree(clone, names)
    answer = await send(errand, request(errand, new, pack))
    assert "push_refused" in answer.text
    assert refs(forge) == before


def garbage(errand, clone):
    new, pack = odd_tree(clone, [b"fine.txt"])
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    bomb = pack_of(entry(3, b"\0" * (200 * 1024 * 1024)))
    two = packet(f"{'0' * 40} {new} refs/heads/{errand.branch}".encode())
    thin = pack[:-20]
    base = git_ok("rev-parse", "HEAD:src/deep/main.py", inside=clone).strip()
    delta = b"\x07" + bytes.fromhex(base)
    thin = b"PACK" + struct.pack(">II", 2, 1) + bytes([(7 << 4) | 4]) + bytes.fromhex(base)
    thin += zlib.compress(delta[:4])
    thin += sha1(thin, usedforsecurity=False).digest()
    return {
        "nothing": request(errand, new, b""),
        "noise": request(errand, new, os.urandom(4096)),
        "cut": request(errand, new, pack[:-7]),
        "a_wrong_sum": request(errand, new, pack[:-20] + b"\0" * 20),
        "junk_behind": request(errand, new, pack + b"0000"),
        "a_second_pack": request(errand, new, pack + pack),
        "a_thin_pack": request(errand, new, thin),
        "not_what_is_named": request(errand, "1" * 40, pack),
        "a_file_for_a_commit": request(errand, object_id("blob", b"on: push\n"), pack),
        "a_bomb": request(errand, head, bomb[:-20] + b"\1" * 20),
        "twice_the_branch": request(errand, new, pack, more=two),
        "options": request(errand, new, b"", capabilities=b"report-status push-options")
        + packet(b"merge_request.create")
        + b"0000"
        + pack,
        "no_commands": b"0000" + pack,
        "another_old": request(errand, new, pack, old="2" * 40),
    }


GARBAGE = [
    *("nothing", "noise", "cut", "a_wrong_sum", "junk_behind", "a_second_pack", "a_thin_pack"),
    *("not_what_is_named", "a_file_for_a_commit", "a_bomb", "twice_the_branch", "options"),
    *("no_commands", "another_old"),
]


@pytest.mark.parametrize("what", GARBAGE)
async def test_what_is_no_whole_sound_push_is_refused(errand, forge, clone, what):
    before = refs(forge)
    answer = await send(errand, garbage(errand, clone)[what])
    assert "push_refused" in answer.text, answer.text
    assert refs(forge) == before


async def test_the_packs_of_these_tests_are_taken_when_they_are_sound(errand, forge, clone):
    new, pack = odd_tree(clone, [b"CODE.txt"])
    answer = await send(errand, request(errand, new, pack))
    assert "push_refused" in answer.text  # it takes the workflow and the owners away
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    made = commit_of(tree_of(clone), head)
    new = object_id("commit", made)
    answer = await send(errand, request(errand, new, pack_of(entry(1, made))))
    assert "unpack ok" in answer.text
    assert new in refs(forge)


async def test_a_pack_that_is_too_large_is_refused_before_it_is_whole(
    errand, forge, clone, monkeypatch
):
    monkeypatch.setattr(push_reception, "MAX_PACK_BYTES", 1024 * 1024)
    (clone / "noise.bin").write_bytes(os.urandom(3 * 1024 * 1024))
    commit(clone)
    before = refs(forge)
    assert (await push(errand, clone)).code != 0
    assert refs(forge) == before


async def test_nothing_of_a_push_stays_on_the_gateways_disk(
    errand, forge, clone, tmp_path, monkeypatch
):
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))
    put(clone, "work.txt")
    commit(clone)
    assert (await push(errand, clone)).code == 0
    put(clone, EVIL)
    commit(clone)
    await refused(errand, forge, clone)
    assert list(kept.glob("push-*")) == []
