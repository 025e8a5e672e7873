"""Given these facts, when this is asked, then these facts follow."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import reduce

import pytest

from events import AccountId, CommandId, EventId, Recorded, TaskId
from services.gateway.problems import Refused
from services.gateway.tasks.task import NO_TASK, Command, Decision, Task, decide, evolve

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def recorded(version, event, cause=""):
    return Recorded(
        account=AccountId("acc_a"),
        task=TaskId("task_a"),
        id=EventId(f"evt_{version}"),
        version=version,
        sequence=version * 10,
        at=NOON,
        by="person:per_a",
        cause=cause,
        event=event,
    )


def folded(*facts, task: Task = NO_TASK) -> Task:
    """Fold facts; a fact may be (cause, fact)."""
    for fact in facts:
        cause, event = fact if isinstance(fact, tuple) else (f"c{task.version + 1}", fact)
        task = evolve(task, recorded(task.version + 1, event, cause))
    return task


def appended(task: Task, decision: Decision, cause: str) -> Task:
    return reduce(lambda t, e: evolve(t, recorded(t.version + 1, e, cause)), decision.facts, task)


class Scenario:
    def __init__(self) -> None:
        self.task = NO_TASK

    def given(self, *facts) -> "Scenario":
        self.task = folded(*facts, task=self.task)
        return self

    def when(self, command: Command, cause: str = "asked") -> "Outcome":
        return Outcome(self.task, command, CommandId(cause))


class Outcome:
    def __init__(self, task: Task, command: Command, cause: CommandId) -> None:
        self._decide = lambda: decide(command, task, cause=cause)

    def then(self, *facts) -> None:
        assert self._decide() == Decision(tuple(facts))

    def then_nothing(self, *, version: int) -> None:
        assert self._decide() == Decision((), version)

    def then_refused(self, status: int, code: str, says: Sequence[str] = ()) -> None:
        with pytest.raises(Refused) as refusal:
            self._decide()
        assert (refusal.value.problem.status, refusal.value.problem.code) == (status, code)
        for words in says:
            assert words in refusal.value.problem.detail
