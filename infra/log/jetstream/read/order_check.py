"""Check that what a follower of the whole log reads is each history's next event.

A history's versions are dense, and a writer that does not keep to that must not
change what is folded from the log. A follower sees all histories at once and may begin anywhere, so
it remembers where each one stands, and looks into the log for those it meets in the middle. Whoever
writes nonsense can make a follower ask one question a message, and not read a history again.
"""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from events import AccountId, Recorded, TaskId, event_subject
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.read import history as reading
from infra.log.jetstream.read.decode import HistoryDecoder, InvalidEvent, follows
from infra.stores.lru import LruMap

_MAX_HISTORIES: Final = 100_000


@dataclass(slots=True)
class _Place:
    """The last event of a history that was let through.

    It is proven when the follower has seen, or read, the whole history up to there.
    """

    version: int
    sequence: int
    is_proven: bool


class OrderCheck:
    """The last event of each history met lately."""

    def __init__(self, connection: Connection, *, deadline_seconds: float) -> None:
        self._connection = connection
        self._deadline_seconds = deadline_seconds
        self._places: LruMap[tuple[AccountId, TaskId], _Place] = LruMap(_MAX_HISTORIES)

    def is_next(self, recorded: Recorded) -> bool:
        """Take note of an event that plainly is its history's next; False where one must look."""
        history = recorded.account, recorded.task
        place = self._places.get(history)
        if place is None:
            if recorded.version != 1 or not follows(0, recorded):
                return False
            self._remember(history, _Place(1, recorded.sequence, is_proven=False))
            return True
        if recorded.version != place.version + 1:
            return False
        place.version, place.sequence = recorded.version, recorded.sequence
        self._places.move_to_end(history)
        return True

    async def require_next(self, recorded: Recorded) -> None:
        """Record an event. Raises InvalidEvent when it is not its history's next, Unavailable.

        The log is asked only about a history met in the middle, and before an event is refused.
        """
        if self.is_next(recorded):
            return
        history = recorded.account, recorded.task
        place = self._places.get(history)
        if place is None:
            place = await self._before(recorded)
        if not follows(place.version, recorded) and not await self._is_sure(place, recorded):
            place = await self._before(recorded)
        is_next = follows(place.version, recorded)
        if is_next:
            place = _Place(recorded.version, recorded.sequence, place.is_proven)
        self._remember(history, place)
        if not is_next:
            raise InvalidEvent(f"version {recorded.version} follows {place.version}")

    def _remember(self, history: tuple[AccountId, TaskId], place: _Place) -> None:
        self._places.put(history, place)

    async def _is_sure(self, place: _Place, recorded: Recorded) -> bool:
        """Return whether the history still reaches back to its place: nothing of it was removed."""
        if not place.is_proven:
            return False
        first = await reading.first_message(
            self._connection,
            event_subject(recorded.history),
            within_seconds=self._deadline_seconds,
        )
        return first is None or first.sequence <= place.sequence

    async def _before(self, recorded: Recorded) -> _Place:
        """Read where the history stood before this event, a page at a time."""
        subject = event_subject(recorded.history)
        sieve, sequence = HistoryDecoder(subject, proofs=self._connection.keys), 0
        pages = reading.pages(
            self._connection, subject, after=0, within_seconds=self._deadline_seconds
        )
        async with aclosing(pages):
            async for page in pages:
                for stored in page:
                    if stored.sequence >= recorded.sequence:
                        break
                    if sieve.admit(stored) is not None:
                        sequence = stored.sequence
                if page[-1].sequence >= recorded.sequence:
                    break
        return _Place(sieve.version, sequence, is_proven=True)
