"""From facts to rows, and from rows to writes. No database."""

import json
from typing import Any

import msgspec
from hypothesis import given

from events import (
    ArtifactStored,
    Blob,
    CallId,
    Guest,
    InstructionEdited,
    InstructionWithdrawn,
    MachineDestroyed,
    MachineId,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    ModelReplied,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    Repository,
    RequestId,
    SnapshotTaken,
    TaskFinished,
    TaskInstructed,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    Usage,
)
from events.codec import tag_of
from events.protocol.task_state import evolve
from services.projector.projections import PROJECTED, PROJECTIONS, TABLES, event, task
from services.projector.projections.table import (
    Table,
    Write,
    acceptable,
    key_text,
    storable,
    storable_json,
)
from tests.kit.build.any_event import BEGINNING, HISTORY, any_fact, recorded, texts

CALL = CallId("c1")
AT = recorded(TaskInstructed(text="x"), 3).at


def rows(event: Any) -> dict[str, dict[str, object]]:
    """The one row a fact makes in each table, without the task."""
    made = [row for project in PROJECTIONS for row in project(recorded(event, 3))]
    assert len({row.table for row in made}) == len(made)
    for row in made:
        assert row.values["task"] == HISTORY.task
    return {row.table.name: {k: v for k, v in row.values.items() if k != "task"} for row in made}


def line(role: str, text: str) -> dict[str, dict[str, object]]:
    return {"message": {"version": 3, "role": role, "text": text, "at": AT}}


def test_what_people_and_the_agent_say_is_a_conversation() -> None:
    submitted = TaskSubmitted(prompt="Fix", repository=Repository("u"), model="m")
    assert rows(InstructionEdited(instruction=2, text="Less")) == {
        "message": {"version": 2, "text": "Less"}
    }
    assert rows(InstructionWithdrawn(instruction=2)) == {"message": {"version": 2, "text": ""}}
    asked = QuestionAsked(request=RequestId("r"), call=CALL, text="Which?")

    assert rows(submitted) == line("person", "Fix")
    assert rows(TaskInstructed(text="More")) == line("person", "More")
    answered = QuestionAnswered(request=RequestId("r"), text="That")
    assert rows(asked)["message"] == line("question", "Which?")["message"]
    assert rows(answered)["message"] == line("answer", "That")["message"]
    assert rows(TaskFinished(summary="Done", outcome="branch")) == line("summary", "Done")


def test_a_reply_is_what_it_says_and_what_it_cost() -> None:
    reply = ModelReplied(
        turn=2,
        stop_reason="tool_use",
        usage=Usage(input_tokens=1, output_tokens=2, cache_read_input_tokens=3),
        cost_microusd=4,
        model="m",
        blocks=(
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "One"},
            {"type": "tool_use", "name": "bash"},
            {"type": "text", "text": ""},
            {"type": "text", "text": "Two"},
        ),
    )

    made = rows(reply)

    assert made["message"]["text"] == "One\n\nTwo"
    assert made["usage"] == {
        "version": 3,
        "account": HISTORY.account,
        "model": "m",
        "turn": 2,
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 3,
        "cost_microusd": 4,
        "at": AT,
    }


def test_a_reply_without_words_is_no_line_of_the_conversation() -> None:
    silent = ModelReplied(turn=1, stop_reason="tool_use", usage=Usage(), cost_microusd=0)

    assert set(rows(silent)) == {"usage"}


def test_a_tool_call_is_one_row_from_its_start_to_its_end() -> None:
    assert rows(ToolStarted(call=CALL, tool="bash", title="ls")) == {
        "tool_call": {
            "call": CALL,
            "version": 3,
            "tool": "bash",
            "title": "ls",
            "started_at": AT,
        }
    }
    assert rows(ToolCompleted(call=CALL, output="a\x00b", exit_code=1, seconds=0.5)) == {
        "tool_call": {
            "call": CALL,
            "ended_at": AT,
            "exit_code": 1,
            "is_error": False,
            "is_truncated": False,
            "output": "a�b",
            "seconds": 0.5,
        }
    }
    assert rows(ToolInterrupted(call=CALL, reason="lost")) == {
        "tool_call": {"call": CALL, "ended_at": AT, "interrupted": "lost"}
    }


def test_a_machine_is_one_row_an_attempt() -> None:
    requested = MachineRequested(
        attempt=2, name="n", region="r", guest=Guest("shared", 1, 256), deadline=BEGINNING
    )
    machine = MachineId("m1")
    facts = [
        requested,
        MachineStarted(attempt=2, machine=machine, region="s", seconds=0.5),
        MachineRefused(attempt=2, reason="full", retry_at=BEGINNING),
        MachineLost(attempt=2, reason="silent", retry_at=BEGINNING),
        MachineDestroyed(attempt=2, machine=machine, billed_seconds=9.0, cost_microusd=8),
    ]

    made = [rows(fact)["machine"] for fact in facts]

    assert {row["attempt"] for row in made} == {2}
    assert made[0]["requested_at"] == AT
    assert made[1]["start_seconds"] == 0.5
    assert made[2]["outcome"] == "refused: full"
    assert made[3]["outcome"] == "lost: silent"
    assert (made[4]["billed_seconds"], made[4]["cost_microusd"]) == (9.0, 8)


def test_a_question_is_one_row_with_its_answer() -> None:
    asked = QuestionAsked(request=RequestId("r"), call=CALL, text="Which?", options=("a", "b"))

    assert rows(asked)["question"] == {
        "request": "r",
        "account": HISTORY.account,
        "version": 3,
        "text": "Which?",
        "options": ("a", "b"),
        "asked_at": AT,
    }
    assert rows(QuestionAnswered(request=RequestId("r"), text="That"))["question"] == {
        "request": "r",
        "account": HISTORY.account,
        "answer": "That",
        "answered_at": AT,
    }


def test_a_snapshot_is_a_row() -> None:
    taken = SnapshotTaken(tree="t", pack=Blob("k", 4, "s"), files=1, insertions=2, deletions=3)

    assert rows(taken)["snapshot"] == {
        "version": 3,
        "tree": "t",
        "key": "k",
        "size_bytes": 4,
        "sha256": "s",
        "files": 1,
        "insertions": 2,
        "deletions": 3,
        "at": AT,
    }


def test_what_a_task_brought_back_is_kept() -> None:
    opened = PullRequestOpened(number=7, url="https://f/7", title="Fixed")
    stored = ArtifactStored(name="diff", media_type="text/x-diff", blob=Blob("k", 3, "s"))

    assert rows(opened)["pull_request"]["number"] == 7
    assert rows(stored)["artifact"]["size_bytes"] == 3


@given(any_fact)
def test_every_row_has_its_key_and_can_be_spelled(fact: Any) -> None:
    for project in PROJECTIONS:
        for row in project(recorded(fact)):
            assert set(row.table.key) <= set(row.values)
            assert None not in [row.values[column] for column in row.table.key]
            assert set(row.values) <= set(row.table.columns)
            assert not row.table.grows_only or set(row.values) == set(row.table.columns)
            assert row.table in TABLES


@given(any_fact)
def test_a_fact_concerns_the_projections_that_name_it(fact: Any) -> None:
    told = recorded(fact)
    named = [row for project in PROJECTED.get(type(fact), ()) for row in project(told)]
    assert named == [row for project in PROJECTIONS for row in project(told)]


@given(any_fact)
def test_every_fact_has_its_place(fact: Any) -> None:
    told = recorded(fact, 3)
    assert dict(zip(event.EVENT.columns, event.values(told), strict=True)) == {
        "sequence": 3,
        "task": HISTORY.task,
        "version": 3,
        "type": tag_of(fact),
        "at": told.at,
        "by": "test",
    }


def test_what_postgres_cannot_hold_is_brought_into_range() -> None:
    rows = [
        ["a\x00", 2**80, -(2**80), True, None, ("\x00",)],
        ["a\ufffd", 2**90, None, None, 0.5, None],
    ]
    table = Table("t", ("one", "two"), ("one", "two", "three", "four", "five", "six"))

    assert acceptable(Write(table, rows)).rows == [
        ["a\ufffd", 2**63 - 1, -(2**63) + 1, True, 0.5, ["\ufffd"]]
    ]


@given(texts)
def test_a_key_is_as_it_was_told_unless_it_is_too_long(text: str) -> None:
    assert key_text(text) == storable(text)
    assert len(key_text(text + "x" * 300).encode()) < 900
    assert key_text("y" * 300 + "a") != key_text("y" * 300 + "b")


@given(texts)
def test_json_fit_for_postgres_differs_in_nul_alone(text: str) -> None:
    stored = storable_json(msgspec.json.encode({"text": text}))

    assert json.loads(stored) == {"text": storable(text)}


def test_a_written_out_escape_is_no_nul() -> None:
    told = "\\u0000 and \\\\u0000 and \x00 and \\\x00"

    assert json.loads(storable_json(msgspec.json.encode(told))) == storable(told)


@given(texts)
def test_a_task_state_comes_back_from_its_row(prompt: str) -> None:
    fact = TaskSubmitted(prompt=prompt, repository=Repository("u"), model="m")
    state = evolve(None, recorded(fact))
    assert state is not None

    back = task.decode(task.encode(state))

    assert back.prompt == storable(prompt)
    assert back.id == state.id
    assert task.row(state).values["phase"] == "queued"
