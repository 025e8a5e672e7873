"""The event log in memory: the same contract as JetStreamLog, and hooks for races.

Held to tests/contract/test_event_log.py, as the real one is. `InMemoryAttemptLog` is one history of
it as a worker has it (infra.log.jetstream.AttemptLog).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Generic, NamedTuple, Self, TypeVar

from events import NOWHERE, Draft, Head, History, Recorded, TaskErased
from events.codec import decode, encode
from infra.log.event_log import Conflict, Unavailable

Writes = TypeVar("Writes", contravariant=True)
CREATED: Final = datetime(2026, 1, 1, tzinfo=UTC)
BATCH: Final = 200


class LogInfo(NamedTuple):
    created: datetime
    last_sequence: int


class InMemoryLog(Generic[Writes]):
    """All events in one list; `recorded` is that list, oldest first."""

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []
        self.quarantined: list[tuple[str, History, int, str]] = []
        self._failures: deque[tuple[bool, Exception]] = deque()
        self._intruders: deque[Callable[[], Awaitable[object]]] = deque()
        self._grown = asyncio.Event()

    def fail_next_append(self, error: Exception | None = None, *, is_stored: bool = False) -> None:
        """Make the next append raise (Unavailable unless told otherwise).

        With `is_stored` the events are in the log all the same: only the answer is lost.
        """
        self._failures.append((is_stored, error or Unavailable("the log is away")))

    def before_next_append(self, intrude: Callable[[], Awaitable[object]]) -> None:
        """Run `intrude` at the next append, before it looks at the head: somebody was faster."""
        self._intruders.append(intrude)

    def events(self, history: History) -> list[Any]:
        """The facts of one history, oldest first."""
        return [recorded.event for recorded in self._history(history)]

    async def append(
        self, history: History, drafts: Sequence[Draft[Writes]], *, after: Head
    ) -> Head:
        await asyncio.sleep(0)
        if self._intruders:
            await self._intruders.popleft()()
        is_stored, failure = self._failures.popleft() if self._failures else (True, None)
        if failure is not None and not is_stored:
            raise failure
        head = self._append(history, drafts, after)
        if failure is not None:
            raise failure
        return head

    async def read(self, history: History, *, after: int | Head = 0) -> Sequence[Recorded]:
        await asyncio.sleep(0)
        version = after.version if isinstance(after, Head) else after
        return [recorded for recorded in self._history(history) if recorded.version > version]

    async def bodies(
        self, history: History, *, after: int, limit: int
    ) -> Sequence[tuple[int, bytes]]:
        return [(r.version, r.body) for r in (await self.read(history, after=after))[:limit]]

    async def pages(
        self, history: History, *, after: int | Head = 0
    ) -> AsyncGenerator[Sequence[Recorded], None]:
        if events := await self.read(history, after=after):
            yield events

    async def exists(self, history: History) -> bool:
        events = await self.read(history)
        return bool(events) and not isinstance(events[-1].event, TaskErased)

    async def head(self, history: History) -> Head:
        events = await self.read(history)
        return events[-1].head if events else NOWHERE

    async def heads(self, histories: Sequence[History]) -> dict[History, int]:
        await asyncio.sleep(0)
        return {r.history: r.version for r in self.recorded if r.history in histories}

    async def quarantine(self, name: str, history: History, sequence: int, reason: str) -> None:
        self.quarantined.append((name, history, sequence, reason))

    async def info(self) -> LogInfo:
        return LogInfo(CREATED, len(self.recorded))

    async def follow(
        self, name: str, *, after: int = 0, until: asyncio.Event, is_placed: bool = True
    ) -> AsyncIterator[Sequence[Recorded]]:
        last = after
        while not until.is_set():
            grown = self._grown
            batch = self.recorded[last : last + BATCH]
            if batch:
                last = batch[-1].sequence
                yield batch
            else:
                await _either(grown, until)

    def attempt(self, history: History) -> "InMemoryAttemptLog":
        """One history of this log, as the worker of one attempt has it."""
        return InMemoryAttemptLog(self, history)

    def _append(self, history: History, drafts: Sequence[Draft[Any]], after: Head) -> Head:
        if not drafts:
            return after
        tail = [r for r in self._history(history) if r.sequence > after.sequence]
        if tail:
            own = tail[: len(drafts)]
            if [r.id for r in own] != [draft.id for draft in drafts]:
                raise Conflict("The history has grown since it was read.")
            return own[-1].head
        present = self._history(history)
        if after.sequence != (present[-1].sequence if present else 0):
            raise Conflict("The history does not reach that far.")
        for version, draft in enumerate(drafts, after.version + 1):
            sequence = len(self.recorded) + 1
            self.recorded.append(decode(history, sequence, encode(history, version, draft)))
        self._grown.set()
        self._grown = asyncio.Event()
        return self.recorded[-1].head

    def _history(self, history: History) -> list[Recorded]:
        return [recorded for recorded in self.recorded if recorded.history == history]


class InMemoryAttemptLog:
    """One history, with the surface of `infra.log.jetstream.AttemptLog`."""

    def __init__(self, log: InMemoryLog[Any], history: History) -> None:
        self.log = log
        self.history = history
        self.reader_generation = 1
        self.is_waiting_for_reader = False
        self._given = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def append(self, drafts: Sequence[Draft[Any]], *, after: Head) -> Head:
        return await self.log.append(self.history, drafts, after=after)

    async def catch_up(self) -> Sequence[Recorded]:
        await asyncio.sleep(0)
        return self._give()

    async def follow(self, until: asyncio.Event) -> AsyncIterator[Sequence[Recorded]]:
        while not until.is_set():
            grown = self.log._grown
            if batch := self._give():
                yield batch
            else:
                await _either(grown, until)

    def _give(self) -> list[Recorded]:
        events = [r for r in self.log._history(self.history) if r.version > self._given]
        if events:
            self._given = events[-1].version
        return events


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        waits = {group.create_task(one.wait()), group.create_task(other.wait())}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
