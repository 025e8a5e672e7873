"""Limits of one task's history in the shared log, and the count against them. Pure.

The stream limits messages per task, but not bytes. The scheduler reads every message, so it counts:
events by their bodies, and what is not an event too. Who exceeds a limit loses the machine.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from events import Recorded, TaskErased, TaskId
from infra.log.invalid_message import InvalidMessage

_MIB = 1024 * 1024


class HistoryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one history. `messages` leaves room below the stream's own limit of 20,000.

    In that room the scheduler records the end of the task and of its machine.
    """

    size_bytes: int = 256 * _MIB
    messages: int = 19_900
    invalid_messages: int = 200


class Excess(msgspec.Struct, frozen=True):
    """A limit exceeded by a task, with the message at this sequence of the log."""

    task: TaskId
    sequence: int
    detail: str


@dataclass(slots=True)
class _Size:
    size_bytes: int = 0
    messages: int = 0
    invalid_messages: int = 0
    is_reported: bool = False


class HistorySizes:
    """The sizes of all histories. Each message is counted once, in the order of the log."""

    def __init__(self, limits: HistoryLimits) -> None:
        self._limits = limits
        self._sizes: dict[TaskId, _Size] = {}

    def add_events(self, batch: Iterable[Recorded]) -> list[Excess]:
        """Count events; return the tasks that exceed a limit now and did not before."""
        found = []
        for recorded in batch:
            if isinstance(recorded.event, TaskErased):
                self._sizes.pop(recorded.task, None)
            size = self._grow(recorded.task, len(recorded.body))
            if excess := self._excess(recorded.task, size, recorded.sequence):
                found.append(excess)
        return found

    def add_invalid(self, message: InvalidMessage) -> Excess | None:
        """Count a message that is not an event."""
        task = message.history.task
        size = self._grow(task, message.size_bytes)
        size.invalid_messages += 1
        return self._excess(task, size, message.sequence)

    def _grow(self, task: TaskId, size_bytes: int) -> _Size:
        size = self._sizes.setdefault(task, _Size())
        size.size_bytes += size_bytes
        size.messages += 1
        return size

    def _excess(self, task: TaskId, size: _Size, sequence: int) -> Excess | None:
        detail = "" if size.is_reported else _exceeded(size, self._limits)
        if not detail:
            return None
        size.is_reported = True
        return Excess(task, sequence, detail)


def _exceeded(size: _Size, limits: HistoryLimits) -> str:
    """Return the limit that is exceeded; empty for none."""
    if size.size_bytes > limits.size_bytes:
        most = f"{limits.size_bytes / _MIB:,.1f} MiB (HISTORY_BYTES_PER_TASK)"
        return f"This task's history is longer than a history may be: {most}."
    if size.invalid_messages > limits.invalid_messages:
        most = f"{limits.invalid_messages:,} (HISTORY_INVALID_MESSAGES_PER_TASK)"
        return f"The worker wrote more messages that are not events than are allowed: {most}."
    if size.messages > limits.messages:
        return f"This task's history has more messages than are allowed: {limits.messages:,}."
    return ""
