"""Histories for the tests of the worker's cores."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import msgspec

from events import (
    AccountId,
    ArtifactStored,
    AttemptStarted,
    Blob,
    BranchPushed,
    Budget,
    CallId,
    EventId,
    Guest,
    MachineId,
    MachineLost,
    MachineRequested,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    PullRequestOpened,
    QuestionAsked,
    Recorded,
    Repository,
    SnapshotTaken,
    TaskId,
    TaskInstructed,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
    Usage,
    WorkspacePrepared,
    request_id,
)
from services.worker.agent.evolve import evolve
from services.worker.agent.failures.model_errors import (
    record_failure,
)
from services.worker.agent.state import AgentState, Attempt
from services.worker.agent.steps import Record
from services.worker.agent.tool_calls import Call

TASK = TaskId("task_1")
BEGAN = datetime(2026, 11, 23, tzinfo=UTC)
NOW = BEGAN + timedelta(hours=1)

SUBMITTED = TaskSubmitted(
    prompt="fix it", repository=Repository("http://forge/a/b"), model="claude-sonnet-5-5"
)
PREPARED = WorkspacePrepared(commit="c0", base="main", branch="errand/task_1", seconds=1)
SNAPSHOT = SnapshotTaken(tree="t1", pack=Blob("k", 1, "s"), files=1, insertions=1, deletions=0)


def started(attempt: int = 1) -> AttemptStarted:
    return AttemptStarted(attempt=attempt, machine=MachineId(f"m{attempt}"))


def requested(turn: int = 1) -> ModelRequested:
    return ModelRequested(turn=turn, model="claude-sonnet-5-5")


def replied(
    *calls: tuple[str, str, dict[str, Any]], text: str = "", stop: str = "", turn: int = 1
) -> ModelReplied:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    blocks += [{"type": "tool_use", "id": i, "name": n, "input": a} for i, n, a in calls]
    return ModelReplied(
        turn=turn,
        stop_reason=stop or ("tool_use" if calls else "end_turn"),
        usage=Usage(),
        cost_microusd=100,
        blocks=tuple(blocks),
    )


def began(call: str, tool: str = "bash") -> ToolStarted:
    return ToolStarted(call=call, tool=tool, title=tool)


def ended(call: str, output: str = "ok", **fields: Any) -> ToolCompleted:
    return ToolCompleted(call=call, output=output, **fields)


def diff_stored(size_bytes: int = 5) -> ArtifactStored:
    blob = Blob("tasks/task_1/diff", size_bytes, "s")
    return ArtifactStored(name="diff.patch", media_type="text/x-diff", blob=blob)


def history(*events: Any) -> list[Recorded]:
    """Record events one second after another, from version 1."""
    return [
        Recorded(
            account=AccountId("acc_1"),
            task=TASK,
            id=EventId(f"evt_{version}"),
            version=version,
            sequence=version,
            at=BEGAN + timedelta(seconds=version),
            by="somebody",
            cause="",
            event=event,
        )
        for version, event in enumerate(events, 1)
    ]


def folded(recorded: Iterable[Recorded], attempt: int = 1) -> AgentState:
    mine = Attempt(number=attempt, machine=MachineId(f"m{attempt}"))
    return reduce(evolve, recorded, AgentState(attempt=mine))


READY = (SUBMITTED, started(), PREPARED)
ASKED = (*READY, requested())
BASH = ("b", "bash", {"command": "ls"})
READS = [("r1", "read", {"path": "x"}), ("r2", "glob", {"pattern": "*"})]
QUESTION = ("q", "ask", {"question": "Tabs?", "options": ["yes"]})
WORK = {"summary": "did it", "title": "Do it", "body": "like so"}
SUBMIT = ("s", "submit", WORK)
REQUEST = request_id(TASK, CallId("q"))
ASKING = QuestionAsked(request=REQUEST, call="q", text="Tabs?", options=("yes",))
PUSHED = BranchPushed(branch="errand/task_1", commit="abc")
OPENED = PullRequestOpened(number=7, url="http://forge/pull/7", title="Do it")
STEER = TaskInstructed(text="be quick")
SUBMITTING = (*ASKED, replied(SUBMIT), began("s", "submit"))
LOST = MachineLost(attempt=1, reason="silent", retry_at=NOW)
SECOND = MachineRequested(
    attempt=2, name="n", region="r", guest=Guest("shared", 1, 256), deadline=NOW
)


def calls(*wanted):
    return tuple(Call(*each) for each in wanted)


def recording(*facts):
    return Record(tuple(facts))


def failing(retry_at):
    return ModelFailed(turn=1, kind="overloaded", detail="busy", retry_at=retry_at)


def limited(**limits):
    return msgspec.structs.replace(SUBMITTED, budget=Budget(**limits))


def failure(model_error, *, failures=0, since=None):
    return record_failure(model_error, turn=1, failures=failures, since=since, now=NOW)
