"""Cost and outcome of work per repository and day: an example of a fold over the log.

A cost counts on the day it arose, an end on the day it came (UTC); a task that is resumed and ends
again counts twice.
"""

from collections.abc import Mapping
from datetime import UTC, date
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from events import (
    ContextCompacted,
    MachineDestroyed,
    ModelReplied,
    PullRequestOpened,
    Recorded,
    TaskAbandoned,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskId,
    TaskSubmitted,
)

TYPES: Final = frozenset(
    {
        "task.submitted",
        "model.replied",
        "machine.destroyed",
        "pull_request.opened",
        "task.finished",
        "task.failed",
        "task.abandoned",
        "task.cancelled",
    }
)


class Key(NamedTuple):
    """One line of the table."""

    repository: str
    day: date


class Line(msgspec.Struct):
    """Totals of one repository on one day. Money in millionths of a US dollar."""

    submitted: int = 0
    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    pull_requests: int = 0
    model_microusd: int = 0
    machine_microusd: int = 0
    tokens: int = 0

    @property
    def success(self) -> float | None:
        """Share of ended tasks that finished, 0 to 1; None when none ended."""
        ended = self.finished + self.failed + self.cancelled
        return self.finished / ended if ended else None


class Costs:
    """The table, event by event. Holds one entry per task and one per line."""

    def __init__(self) -> None:
        self._repositories: dict[TaskId, str] = {}
        self._lines: dict[Key, Line] = {}

    def take(self, recorded: Recorded) -> None:
        """Count one event. Those of a task whose submission was not seen count nowhere."""
        event = recorded.event
        if isinstance(event, TaskSubmitted):
            self._repositories[recorded.task] = event.repository.url
        repository = self._repositories.get(recorded.task)
        if repository is None:
            return
        key = Key(repository, recorded.at.astimezone(UTC).date())
        self._count(self._lines.setdefault(key, Line()), recorded)

    def lines(self) -> Mapping[Key, Line]:
        """Return the table, by repository and day."""
        return dict(sorted(self._lines.items()))

    @staticmethod
    def _count(line: Line, recorded: Recorded) -> None:
        match recorded.event:
            case TaskSubmitted():
                line.submitted += 1
            case TaskFinished():
                line.finished += 1
            case TaskFailed() | TaskAbandoned():
                line.failed += 1
            case TaskCancelled():
                line.cancelled += 1
            case PullRequestOpened():
                line.pull_requests += 1
            case MachineDestroyed(cost_microusd=cost):
                line.machine_microusd += cost
            case (
                ModelReplied(cost_microusd=cost, usage=usage)
                | ContextCompacted(cost_microusd=cost, usage=usage)
            ):
                line.model_microusd += cost
                line.tokens += sum(msgspec.structs.astuple(usage))
            case _:
                return


def write(path: Path, lines: Mapping[Key, Line]) -> None:
    """Write the table as Parquet. Raises ImportError without the extra `analytics`."""
    from infra.operator.analytics.parquet import Kind, ParquetFile  # noqa: PLC0415 - an optional extra

    columns: dict[str, Kind] = {"repository": "text", "day": "day"}
    columns |= dict.fromkeys(Line.__struct_fields__, "integer")
    with ParquetFile(path, columns) as table:
        table.write([key._asdict() | msgspec.structs.asdict(line) for key, line in lines.items()])
