"""Cache of what histories fold to: a fold is brought up to date by the events it has not seen."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Generic, NamedTuple, TypeVar

from events import NOWHERE, GatewayEvent, Head, History, Recorded
from infra.log.event_log import EventLog
from infra.stores.lru import LruMap

State = TypeVar("State")

UNDATED: Final = datetime.min.replace(tzinfo=UTC)
"""The time of a fold that did not come from reading the log just now: always too old."""


class Folded(NamedTuple, Generic[State]):
    """The fold of a history, the event it goes up to, and when that was read."""

    state: State
    head: Head
    at: datetime


class FoldCache(Generic[State]):
    """Folds of the histories asked about lately; the rest is forgotten, oldest first.

    The first read of a history costs its length, each later one what has come since. `fold` applies
    events to a state and returns the new one; it leaves the old one as it was.
    """

    def __init__(
        self,
        log: EventLog[GatewayEvent],
        fold: Callable[[State, Sequence[Recorded]], State],
        *,
        empty: State,
        clock: Callable[[], datetime],
        max_histories: int,
    ) -> None:
        self._log = log
        self._fold = fold
        self._empty = empty
        self._clock = clock
        self._known: LruMap[History, Folded[State]] = LruMap(max_histories)

    async def get(self, history: History, *, age_seconds: float = 0.0) -> Folded[State]:
        """Return a history's fold as it stands, or as it stood at most `age_seconds` ago.

        A history without events is `empty` at `NOWHERE`. Raises Unavailable.
        """
        if age_seconds > 0 and (known := self.recent(history, age_seconds)) is not None:
            return known
        now = self._clock()
        before = self._known.get(history) or Folded(self._empty, NOWHERE, now)
        news = await self._log.read(history, after=before.head)
        state = self._fold(before.state, news) if news else before.state
        return self.learn(history, Folded(state, news[-1].head if news else before.head, now))

    def recent(self, history: History, age_seconds: float) -> Folded[State] | None:
        """Return a fold that was read less than `age_seconds` ago, without asking the log."""
        known = self._known.get(history)
        if known is None or (self._clock() - known.at).total_seconds() >= age_seconds:
            return None
        return known

    def learn(self, history: History, folded: Folded[State]) -> Folded[State]:
        """Keep a fold unless a later one is known; return the later one."""
        known = self._known.get(history)
        if known is not None and known.head.version > folded.head.version:
            return known  # a read that began later came back sooner
        if folded.head.version:
            self._known.put(history, folded)
        return folded

    def forget(self, history: History) -> None:
        """Drop what is known of a history."""
        self._known.pop(history, None)
