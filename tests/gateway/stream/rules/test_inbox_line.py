"""Line of the inbox: what a row shows, and what may be answered from it."""

import json
from typing import Any

import pytest

from events.protocol import frames
from services.gateway.stream.rules.inbox_line import (
    MAX_TITLE_CHARACTERS,
    MAX_WHOLE_CHARACTERS,
    ask_of,
    line_of,
)
from tests.kit.build.api_answers import task_state

SINCE = "2026-01-01T00:05:00Z"


def shown(**changes: Any) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(frames.encode(line_of(task_state(**changes))))
    return line


def asked(**changes: Any) -> frames.Ask:
    ask = ask_of(task_state(phase="waiting", **changes))
    assert ask is not None
    return ask


def test_a_line_carries_nothing_that_is_empty() -> None:
    assert shown() == {
        "t": "line",
        "task": "task_" + "b" * 26,
        "version": 1,
        "phase": "working",
        "title": "Fix it",
        "waiting": "",
        "cost_microusd": 0,
        "updated_at": "2026-01-01T00:00:00Z",
        "submitted_at": "2026-01-01T00:00:00Z",
        "repository": "https://forge.example/o/r.git",
    }


def test_a_line_says_since_when_what_it_may_cost_and_what_came_of_it() -> None:
    line = shown(
        since=SINCE,
        budget={"cost_microusd": 2_000_000},
        files_changed=3,
        insertions=20,
        deletions=4,
        branch="errand/fix",
        pull_request={"number": 7},
        outcome="pull_request",
        is_archived=True,
    )

    assert (line["since"], line["budget_microusd"]) == (SINCE, 2_000_000)
    assert (line["files_changed"], line["insertions"], line["deletions"]) == (3, 20, 4)
    assert line["pull_request"]["number"] == 7
    assert (line["branch"], line["outcome"]) == ("errand/fix", "pull_request")
    assert line["is_archived"] is True


def test_a_short_question_can_be_answered_from_the_list() -> None:
    ask = asked(waiting="question", question={"text": "Which colour?", "options": ["Red", "Blue"]})

    assert (ask.kind, ask.title, ask.request) == ("question", "Which colour?", "req_1")
    assert (ask.is_whole, ask.options) == (True, ("Red", "Blue"))


@pytest.mark.parametrize(
    "question",
    [
        {"text": "Which " + "very " * 60 + "long colour?"},
        {"text": "Which?\n\nRed is what you had. Blue is new."},
        {"text": "Which?", "options": ["x" * MAX_WHOLE_CHARACTERS, "y"]},
    ],
)
def test_a_question_that_does_not_fit_a_row_is_to_be_opened(question: dict[str, Any]) -> None:
    ask = asked(waiting="question", question=question)

    assert not ask.is_whole
    assert ask.options == ()
    assert len(ask.title) <= MAX_TITLE_CHARACTERS
    assert "\n" not in ask.title


def test_an_approval_of_a_short_command_carries_all_that_an_answer_needs() -> None:
    ask = asked(waiting="approval", approval={"command": "git push origin main"})

    assert (ask.kind, ask.title, ask.request) == ("approval", "Run rm -rf docs", "req_9")
    assert (ask.is_whole, ask.command, ask.digest) == (True, "git push origin main", "d")
    assert ask.expires_at is not None


@pytest.mark.parametrize(
    "approval",
    [{"command": "x" * MAX_WHOLE_CHARACTERS}, {"diff": "+a"}, {"diff": "+a", "command": "x"}, {}],
)
def test_an_approval_that_is_not_shown_whole_carries_no_digest(approval: dict[str, str]) -> None:
    ask = asked(waiting="approval", approval={"title": "Edit a.py", **approval})

    assert (ask.is_whole, ask.command, ask.digest) == (False, "", "")
    assert (ask.title, ask.request) == ("Edit a.py", "req_9")


@pytest.mark.parametrize(
    ("scope", "limit", "title"),
    [
        ("cost", 2_000_000, "The task's budget of $2.00 is spent."),
        ("turns", 40, "The task's limit of 40 turns is reached."),
        ("wall", 3600, "The task's limit of 60 min of work is reached."),
        ("wall", 5, "The task's limit of 5 s of work is reached."),
        ("person", 5_000_000, "Your budget of $5.00 is spent."),
        ("account", 1_500_000_000, "The account's budget of $1,500.00 is spent."),
    ],
)
def test_a_spent_budget_is_named(scope: str, limit: int, title: str) -> None:
    met = {"scope": scope, "spent": limit, "limit": limit}

    assert asked(waiting="budget", budget_exhausted=met).title == title


def test_a_task_that_waits_for_nobody_asks_nothing() -> None:
    assert ask_of(task_state()) is None
    assert ask_of(task_state(phase="waiting", waiting="provider")) is None
    assert asked(waiting="instruction").kind == "instruction"
    assert asked(waiting="budget").title == "A budget limit is reached."
