"""Clone and push with a real git client."""

import gzip
import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.kit.servers.forge import LocalForge, git, git_ok, running_forge


def clone(forge: LocalForge, name: str, to: Path) -> Path:
    git_ok("clone", "--quiet", forge.clone_url(name), to)
    return to


def commit(tree: Path, file: str, text: str | bytes, *, message: str = "Change") -> None:
    (tree / file).write_bytes(text.encode() if isinstance(text, str) else text)
    git_ok("add", "--all", inside=tree)
    git_ok("commit", "--quiet", "--message", message, inside=tree)


def test_what_is_pushed_with_the_token_is_cloned_again(forge: LocalForge, tmp_path: Path) -> None:
    forge.create("road")
    tree = clone(forge, "road", tmp_path / "one")
    commit(tree, "a.txt", "hello\n")
    git_ok("push", "--quiet", "origin", "HEAD:refs/heads/errand/task_1", inside=tree)
    other = tmp_path / "two"
    git_ok("clone", "--quiet", "--branch", "errand/task_1", forge.clone_url("road"), other)
    assert (other / "a.txt").read_text() == "hello\n"


@pytest.mark.parametrize("token", [None, "ghp_wrong"])
def test_a_private_repository_is_not_cloned_without_the_token(
    forge: LocalForge, tmp_path: Path, token: str | None
) -> None:
    forge.create("road")
    ended = git("clone", forge.clone_url("road"), tmp_path / "c", token=token)
    assert ended.code == 128
    assert "could not read Username" in ended.errors or "Authentication failed" in ended.errors


@pytest.mark.parametrize("token", [None, "ghp_wrong"])
def test_nobody_pushes_to_a_public_repository_without_the_token(
    forge: LocalForge, tmp_path: Path, token: str | None
) -> None:
    forge.create("road", private=False)
    tree = tmp_path / "c"
    git_ok("clone", "--quiet", forge.clone_url("road"), tree, token=None)
    commit(tree, "a.txt", "hello\n")
    assert git("push", "origin", "HEAD:refs/heads/x", inside=tree, token=token).code == 128
    with forge.client() as client:
        assert client.get("/repos/errand/road/branches/x").status_code == 404


def test_a_wrong_token_is_refused_even_where_none_is_needed(
    forge: LocalForge, tmp_path: Path
) -> None:
    forge.create("road", private=False)
    answer = httpx.get(
        forge.clone_url("road") + "/info/refs?service=git-upload-pack", auth=("x", "ghp_wrong")
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="GitHub"'


def test_the_first_request_is_asked_for_credentials(forge: LocalForge) -> None:
    forge.create("road")
    answer = httpx.get(forge.clone_url("road") + "/info/refs?service=git-upload-pack")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_repository_that_does_not_exist_is_said_to_be_missing(
    forge: LocalForge, tmp_path: Path
) -> None:
    ended = git("clone", forge.clone_url("nowhere"), tmp_path / "c")
    assert ended.code == 128
    assert "not found" in ended.errors


def test_a_big_push_is_streamed_chunk_by_chunk(forge: LocalForge, tmp_path: Path) -> None:
    forge.create("road")
    tree = clone(forge, "road", tmp_path / "c")
    big = random.Random(7).randbytes(5 << 20)
    commit(tree, "big.bin", big)
    git_ok("push", "--quiet", "origin", "HEAD:refs/heads/big", inside=tree)
    git_ok("clone", "--quiet", "--branch", "big", forge.clone_url("road"), tmp_path / "d")
    assert (tmp_path / "d" / "big.bin").read_bytes() == big


def test_many_commits_make_git_compress_its_request(forge: LocalForge, tmp_path: Path) -> None:
    """A fetch with many haves is sent gzipped."""
    forge.create("road")
    tree = clone(forge, "road", tmp_path / "one")
    for number in range(40):
        commit(tree, "a.txt", f"{number}\n")
    git_ok("push", "--quiet", "origin", "HEAD:main", inside=tree)
    other = clone(forge, "road", tmp_path / "two")
    commit(tree, "a.txt", "last\n")
    git_ok("push", "--quiet", "origin", "HEAD:main", inside=tree)
    for number in range(30):
        commit(other, "b.txt", f"{number}\n")
    git_ok("fetch", "--quiet", inside=other)
    assert git_ok("show", "origin/main:a.txt", inside=other) == "last"


def test_a_gzipped_body_is_understood(forge: LocalForge) -> None:
    forge.create("road")
    body = gzip.compress(
        b"0014command=ls-refs\n0001000bpeel\n0000".replace(b"000bpeel\n", b"0009peel\n")
    )
    answer = httpx.post(
        forge.clone_url("road") + "/git-upload-pack",
        content=body,
        headers={
            "Authorization": forge.basic,
            "Content-Type": "application/x-git-upload-pack-request",
            "Content-Encoding": "gzip",
            "Git-Protocol": "version=2",
        },
    )
    assert answer.status_code == 200
    assert b"refs/heads/main" in answer.content


def test_protocol_two_is_spoken(forge: LocalForge) -> None:
    forge.create("road")
    answer = httpx.get(
        forge.clone_url("road") + "/info/refs?service=git-upload-pack",
        headers={"Authorization": forge.basic, "Git-Protocol": "version=2"},
    )
    assert b"version 2" in answer.content
    assert answer.headers["content-type"] == "application/x-git-upload-pack-advertisement"


def test_a_partial_clone_is_given_what_it_asks_for(forge: LocalForge, tmp_path: Path) -> None:
    forge.create("road")
    ended = git("clone", "--filter=blob:none", "--depth=1", forge.clone_url("road"), tmp_path / "c")
    assert ended.code == 0
    assert "warning" not in ended.errors
    assert (tmp_path / "c" / "README.md").exists()


def test_the_old_file_by_file_protocol_is_refused(forge: LocalForge) -> None:
    forge.create("road")
    basic = {"Authorization": forge.basic}
    assert httpx.get(forge.clone_url("road") + "/info/refs", headers=basic).status_code == 403
    assert httpx.get(forge.clone_url("road") + "/HEAD", headers=basic).status_code == 404


def test_references_of_pull_requests_cannot_be_pushed(forge: LocalForge, tmp_path: Path) -> None:
    forge.create("road")
    tree = clone(forge, "road", tmp_path / "c")
    ended = git("push", "origin", "HEAD:refs/pull/7/head", inside=tree)
    assert ended.code == 1
    assert "hidden ref" in ended.errors


def test_a_malformed_object_is_refused(forge: LocalForge, tmp_path: Path) -> None:
    forge.create("road")
    tree = clone(forge, "road", tmp_path / "c")
    blob = git_ok("rev-parse", "HEAD:README.md", inside=tree)
    broken = git("mktree", inside=tree, text=f"100644 blob {blob}\t.git\n").output.strip()
    made = git_ok("commit-tree", "-m", "bad", broken, inside=tree)
    ended = git("push", "origin", f"{made}:refs/heads/bad", inside=tree)
    assert ended.code == 1
    assert "hasDotgit" in ended.errors


def test_two_push_different_branches_at_once(forge: LocalForge, tmp_path: Path) -> None:
    forge.create("road")
    trees = [clone(forge, "road", tmp_path / str(number)) for number in range(4)]
    for number, tree in enumerate(trees):
        commit(tree, "a.txt", f"{number}\n")

    def push(number: int) -> str:
        return git_ok("push", "--quiet", "origin", f"HEAD:b{number}", inside=trees[number])

    with ThreadPoolExecutor() as pool:
        list(pool.map(push, range(4)))
    with forge.client() as client:
        names = {one["name"] for one in client.get("/repos/errand/road/branches").json()}
    assert names == {"main", "b0", "b1", "b2", "b3"}


def test_the_first_branch_pushed_to_an_empty_repository_becomes_its_default(
    forge: LocalForge, tmp_path: Path
) -> None:
    url = forge.create("road", auto_init=False)
    tree = tmp_path / "c"
    git_ok("init", "--quiet", "--initial-branch=trunk", tree)
    commit(tree, "a.txt", "hello\n")
    git_ok("push", "--quiet", url, "HEAD:trunk", inside=tree)
    with forge.client() as client:
        assert client.get("/repos/errand/road").json()["default_branch"] == "trunk"


def test_a_push_that_breaks_off_changes_nothing(forge: LocalForge, tmp_path: Path) -> None:
    forge.create("road")
    old = git_ok("ls-remote", forge.clone_url("road"), "main").split()[0]
    command = f"{'0' * 40} {old} refs/heads/half\0report-status\n"

    def body() -> Iterator[bytes]:
        yield f"{len(command) + 4:04x}{command}0000".encode() + b"PACK\0\0\0\2"
        raise ConnectionError("the line went dead")

    headers = {
        "Authorization": forge.basic,
        "Content-Type": "application/x-git-receive-pack-request",
    }
    with pytest.raises(ConnectionError):
        httpx.post(forge.clone_url("road") + "/git-receive-pack", content=body(), headers=headers)
    assert "half" not in git_ok("ls-remote", forge.clone_url("road"))


@pytest.mark.parametrize("last", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_repositories_and_pull_requests(
    tmp_path: Path, last: signal.Signals
) -> None:
    with running_forge(tmp_path / "kept") as before:
        before.create("road")
        tree = clone(before, "road", tmp_path / "one")
        commit(tree, "a.txt", "hello\n")
        git_ok("push", "--quiet", "origin", "HEAD:topic", inside=tree)
        with before.client() as client:
            wanted = {"title": "T", "head": "topic", "base": "main"}
            opened = client.post("/repos/errand/road/pulls", json=wanted).json()
        os.kill(before.pid, last)
    with running_forge(tmp_path / "kept") as after:
        with after.client() as client:
            found = client.get("/repos/errand/road/pulls/1").json()
            assert client.post("/repos/errand/road/pulls", json=wanted).status_code == 422
        assert found["head"]["sha"] == opened["head"]["sha"]
        assert found["created_at"] == opened["created_at"]
        git_ok("clone", "--quiet", "--branch", "topic", after.clone_url("road"), tmp_path / "two")
