"""Misfortunes ordered by tests, as a git client and an API client meet them."""

import time
from pathlib import Path

import httpx
import pytest

from services.worker.workspace.git_errors import refusal_of
from tests.kit.servers.forge import LocalForge, git, git_ok, running_forge


@pytest.fixture
def tree(forge: LocalForge, tmp_path: Path) -> Path:
    """A working tree with a commit to push."""
    forge.create("road")
    git_ok("clone", "--quiet", forge.clone_url("road"), tmp_path / "c")
    git_ok("commit", "--quiet", "--allow-empty", "--message", "More", inside=tmp_path / "c")
    return tmp_path / "c"


def test_a_push_is_refused_on_demand(forge: LocalForge, tree: Path) -> None:
    forge.order("refuse_push")
    ended = git("push", "origin", "HEAD:topic", inside=tree)
    assert ended.code != 0
    assert "403" in ended.errors
    assert "Permission to errand/road.git denied to errand" in ended.errors
    forge.clear_faults()
    git_ok("push", "--quiet", "origin", "HEAD:topic", inside=tree)


def test_a_push_is_declined_by_rules_in_the_words_ordered(forge: LocalForge, tree: Path) -> None:
    words = "error: GH013: Repository rule violations found\n- Push cannot contain secrets"
    forge.order("decline_push", message=words)
    ended = git("push", "origin", "HEAD:topic", inside=tree)
    assert ended.code != 0
    assert "remote: - Push cannot contain secrets" in ended.errors
    assert "[remote rejected]" in ended.errors
    refused = refusal_of(ended.errors, is_push=True)
    assert (refused.reason, "secret" in refused.remedy) == ("push_refused", True)
    git_ok("push", "--quiet", "origin", "HEAD:topic", inside=tree)


def test_the_reply_to_an_accepted_push_is_lost_on_demand(forge: LocalForge, tree: Path) -> None:
    forge.order("drop_push_reply")
    assert git("push", "origin", "HEAD:topic", inside=tree).code != 0
    with forge.client() as client:
        sha = client.get("/repos/errand/road/branches/topic").json()["commit"]["sha"]
    assert sha == git_ok("rev-parse", "HEAD", inside=tree)
    git_ok("push", "--quiet", "origin", "HEAD:topic", inside=tree)


def test_the_next_requests_fail_on_demand(forge: LocalForge) -> None:
    forge.order("fail", times=2, status=502, path="/user")
    with forge.client() as client:
        assert client.get("/rate_limit").status_code == 200
        assert [client.get("/user").status_code for _ in range(3)] == [502, 502, 200]


def test_git_meets_a_failing_server(forge: LocalForge, tree: Path) -> None:
    forge.order("fail", path=".git/")
    assert "503" in git("fetch", inside=tree).errors
    git_ok("fetch", "--quiet", inside=tree)


def test_requests_are_slow_on_demand(forge: LocalForge) -> None:
    forge.order("slow", seconds=0.3, times=1)
    with forge.client() as client:
        start = time.monotonic()
        client.get("/user")
        assert time.monotonic() - start >= 0.3


def test_a_malformed_order_is_refused(forge: LocalForge) -> None:
    assert httpx.post(f"{forge.url}/faults", json={"rule": "explode"}).status_code == 422


def test_no_orders_are_taken_unless_started_for_tests(tmp_path: Path) -> None:
    with running_forge(tmp_path, FAULTS="0") as forge:
        answer = httpx.post(f"{forge.url}/faults", json={"rule": "refuse_push"})
        assert answer.status_code == 404
