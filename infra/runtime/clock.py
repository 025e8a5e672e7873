"""Time and chance, as things a shell is handed: production's own, or a test's."""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from events import Draft, EventId, event_id

Clock = Callable[[], datetime]
E = TypeVar("E")


def utc_now() -> datetime:
    """Tell the time, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock


class Scribe:
    """Makes drafts of one writer's facts: stamps time, identity and cause on them.

    `by` is how the writer appears in the log: "scheduler", "worker:2", "person:per_…".
    """

    def __init__(self, clock: Clock, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._clock = clock
        self._entropy = entropy

    def now(self) -> datetime:
        """Tell the time this scribe stamps."""
        return self._clock()

    def new_event_id(self) -> EventId:
        """Make an id nobody can guess."""
        return event_id(int(self._clock().timestamp() * 1000), self._entropy(10))

    def drafts(self, events: Sequence[E], *, by: str, cause: str = "") -> list[Draft[E]]:
        """Make a draft of each event; the order is kept."""
        at = self._clock()
        return [
            Draft(id=self.new_event_id(), at=at, by=by, cause=cause, event=event)
            for event in events
        ]
