"""Event log: the one way facts are stored and read. Bound to JetStream in infra.log.jetstream."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, TypeVar

from events import Draft, Head, History, Recorded

Writes = TypeVar("Writes", contravariant=True)


class Conflict(Exception):
    """Someone else appended to the history first. Read again and decide again."""


class Unavailable(Exception):
    """The log did not answer in time. Nothing is known of the append; say it again later."""


class Refused(Exception):
    """The log will not take these events, now or later. The text says why and what helps."""


class EventLog(Protocol[Writes]):
    """A log this service may append `Writes` to, and read everything from."""

    async def append(
        self, history: History, drafts: Sequence[Draft[Writes]], *, after: Head
    ) -> Head:
        """Append all drafts if `after` is still the history's head, and return the new head.

        The drafts are stored together or not at all. Appending the same drafts again after a lost
        answer succeeds and stores nothing twice. Raises Conflict when the history has grown,
        Unavailable when the log does not answer before the deadline, Refused when it will never
        take them, as when the history is full.
        """
        ...

    async def read(self, history: History, *, after: int | Head = 0) -> Sequence[Recorded]:
        """Return the history's events with a version above `after`, oldest first.

        After a Head only what stands behind it is fetched; after a version, what is not known of
        the history is read first.
        """
        ...

    async def bodies(
        self, history: History, *, after: int, limit: int
    ) -> Sequence[tuple[int, bytes]]:
        """Return the versions above `after` and their bytes, oldest first, up to `limit`."""
        ...

    async def exists(self, history: History) -> bool:
        """Return whether a history has begun and is not erased. Costs the same at any length.

        Shows every append that was acknowledged before the call.
        """
        ...

    async def quarantine(self, name: str, history: History, sequence: int, reason: str) -> None:
        """Show the operator that the reader `name` cannot fold a history beyond an event.

        Never raises: where it cannot be stored, it is in this process's log and metrics.
        """
        ...

    def follow(
        self, name: str, *, after: int = 0, until: asyncio.Event
    ) -> AsyncIterator[Sequence[Recorded]]:
        """Yield every event whose sequence is above `after`, in batches, and go on as they come.

        Ends when `until` is set. No event is skipped or yielded twice, whatever breaks meanwhile.
        `name` says who follows, for logs and dead letters. A bounded number of events is held in
        memory however slow the reader is.
        """
        ...
