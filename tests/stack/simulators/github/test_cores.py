"""The forge's pure parts: names, credentials, and what becomes of a pull request."""

import base64
from datetime import UTC, datetime

import pytest

from infra.simulators.github.http.credentials import Sender, sender
from infra.simulators.github.http.faults import Fail, Faults, RefusePush, Slow
from infra.simulators.github.store import names
from infra.simulators.github.store.pull_request import PullRequest, follow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
PULL = PullRequest(
    number=1,
    title="T",
    body=None,
    draft=False,
    head="topic",
    base="main",
    head_sha="b" * 40,
    base_sha="a" * 40,
    created_at=NOW,
    updated_at=NOW,
)
HERE = {"topic": "b" * 40, "main": "a" * 40}


@pytest.mark.parametrize("name", ["a", "errand", "a-b", "A9", "x" * 39])
def test_a_login_is_an_owner(name: str) -> None:
    assert names.is_owner(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "a/b", "a\n", "é", ".", "x" * 40, "a_b"])
def test_anything_else_is_no_owner(name: str) -> None:
    assert not names.is_owner(name)


@pytest.mark.parametrize("name", ["main", "errand/task_1", "a.b", "feature/x-1", "é"])
def test_a_branch_may_be_called_so(name: str) -> None:
    assert names.is_branch(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "@",
        "HEAD",
        "-x",
        "/x",
        "x/",
        "a//b",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "a.lock",
        "a.lock/b",
        ".a",
        "a/.b",
        "a.",
        "a@{1}",
        "a\x7f",
        "a\n",
        "x" * 245,
    ],
)
def test_a_branch_may_not_be_called_so(name: str) -> None:
    assert not names.is_branch(name)


@pytest.mark.parametrize(
    ("header", "judged"),
    [
        ("", Sender.NOBODY),
        ("Bearer s3cret", Sender.OWNER),
        ("token s3cret", Sender.OWNER),
        ("Basic " + base64.b64encode(b"anyone:s3cret").decode(), Sender.OWNER),
        ("Basic " + base64.b64encode(b"s3cret:").decode(), Sender.IMPOSTOR),
        ("Basic " + base64.b64encode(b"anyone").decode(), Sender.IMPOSTOR),
        ("Basic ???", Sender.IMPOSTOR),
        ("Bearer", Sender.IMPOSTOR),
        ("Bearer s3cre", Sender.IMPOSTOR),
        ("Bearer \xff", Sender.IMPOSTOR),
        ("Digest s3cret", Sender.IMPOSTOR),
    ],
)
def test_credentials_are_judged(header: str, judged: Sender) -> None:
    assert sender(header, "s3cret") is judged


def test_a_pull_request_whose_branches_stay_stays() -> None:
    assert follow(PULL, HERE, merged=False, now=LATER) is PULL


def test_a_pull_request_points_to_where_its_branch_went() -> None:
    moved = follow(PULL, {**HERE, "topic": "c" * 40}, merged=False, now=LATER)
    assert (moved.head_sha, moved.state, moved.updated_at) == ("c" * 40, "open", LATER)


def test_a_pull_request_without_its_branch_is_closed() -> None:
    closed = follow(PULL, {"main": "a" * 40}, merged=False, now=LATER)
    assert (closed.state, closed.closed_at, closed.merged_at) == ("closed", LATER, None)
    assert closed.head_sha == PULL.head_sha


def test_a_merged_pull_request_keeps_the_base_it_had() -> None:
    merged = follow(PULL, {**HERE, "main": "d" * 40}, merged=True, now=LATER)
    assert (merged.state, merged.merged_at, merged.base_sha) == ("closed", LATER, "a" * 40)


def test_a_closed_pull_request_follows_nothing() -> None:
    closed = follow(PULL, {}, merged=False, now=LATER)
    assert follow(closed, {**HERE, "topic": "c" * 40}, merged=False, now=LATER) is closed


def test_a_fault_is_spent_as_often_as_it_was_ordered() -> None:
    faults = Faults()
    faults.add(Fail(times=2))
    faults.add(Slow(seconds=1.5))
    faults.add(RefusePush(times=1))
    assert [faults.failure("/x") is None for _ in range(3)] == [False, False, True]
    assert [faults.delay_seconds("/x") for _ in range(2)] == [1.5, 1.5]
    assert [faults.refuses_push() for _ in range(2)] == [True, False]
    assert not faults.drops_push_reply()
    assert faults.pending() == [Slow(seconds=1.5)]
