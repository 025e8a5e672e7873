"""Clock and randomness, passed as arguments: production's own, or a test's."""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from events import Draft, EventId, event_id

Clock = Callable[[], datetime]
Entropy = Callable[[int], bytes]
E = TypeVar("E")


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock


class DraftFactory:
    """Factory of drafts of events: sets their time, id, writer and cause.

    `by` is how the writer appears in the log: "scheduler", "worker:2", "person:per_…".
    """

    def __init__(self, clock: Clock, entropy: Entropy = secrets.token_bytes) -> None:
        self._clock = clock
        self._entropy = entropy

    def now(self) -> datetime:
        """Return the time that a draft made now would have."""
        return self._clock()

    def new_event_id(self) -> EventId:
        """Return a new event id that nobody can guess."""
        return event_id(int(self._clock().timestamp() * 1000), self._entropy(10))

    def drafts(self, events: Sequence[E], *, by: str, cause: str = "") -> list[Draft[E]]:
        """Return a draft of each event, in the same order."""
        at = self._clock()
        return [
            Draft(id=self.new_event_id(), at=at, by=by, cause=cause, event=event)
            for event in events
        ]
