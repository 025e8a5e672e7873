"""The event log of the services: `infra.log.event_log.EventLog` on the stream EVENTS."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar, cast

from events import NOWHERE, Draft, Head, History, Recorded, event_subject
from events.codec import AnyEvent
from events.limits import MAX_COUNT
from infra.log.event_log import Unavailable
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.dead_letters.letters import EventPlace, park_task
from infra.log.jetstream.dead_letters.parking import InvalidMessages, OnInvalid, ignore
from infra.log.jetstream.read import history as reading
from infra.log.jetstream.read.decode import HistoryDecoder, InvalidEvent, StoredMessage, read_event
from infra.log.jetstream.read.existence import exists
from infra.log.jetstream.read.follow import follow
from infra.log.jetstream.read.heads import last_messages
from infra.log.jetstream.read.history import PAGE_EVENTS
from infra.log.jetstream.read.history_index import HistoryIndex
from infra.log.jetstream.read.order_check import OrderCheck
from infra.log.jetstream.write.append import Appender, Contended, EventMark, HistoryGrowth
from infra.runtime.telemetry import logger

Writes = TypeVar("Writes", contravariant=True)

_RETRY_SECONDS: Final = 0.25
_MIN_PAGE_EVENTS: Final = 50  # however few are wanted: what is no event is passed over by pages

_log = logger(__name__)

_FAILED_SECONDS: Final = 15.0  # for how long a failed append is held against the log


class LogInfo(NamedTuple):
    """The log's identity (when its stream was created), its last sequence, and its size on disk."""

    created: datetime
    last_sequence: int
    size_bytes: int = 0


class JetStreamLog(Generic[Writes]):
    """Appends `Writes`, reads everything. `deadline_seconds` bounds each append and each read.

    `on_invalid` is called with each message that `follow` meets and that is not an event, before it
    is parked and before what stands behind it is yielded.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        deadline_seconds: float = 10.0,
        on_invalid: OnInvalid = ignore,
    ) -> None:
        self._connection = connection
        self._deadline_seconds = deadline_seconds
        self._invalid = InvalidMessages(connection, deadline_seconds=deadline_seconds)
        self._invalid.on_invalid = on_invalid
        self._index = HistoryIndex()
        self._reconnects = connection.reconnects
        self._append_failed: tuple[float, str] | None = None

    def on_invalid(self, notify: OnInvalid) -> None:
        """Call `notify` from now on, instead of what was given before."""
        self._invalid.on_invalid = notify

    async def append(
        self, history: History, drafts: Sequence[Draft[Writes]], *, after: Head
    ) -> Head:
        """Append all drafts after `after`, together or not at all; return the new head.

        Raises Conflict, Unavailable, Refused when the history is full, ValueError when there are
        more than 1,000 drafts or one is longer than 255 KiB.
        """

        async def look(sequence: int, _last: int | None, within_seconds: float) -> HistoryGrowth:
            return await self._growth(history, after.version, sequence, within_seconds)

        appender = Appender(
            self._connection, history, look, deadline_seconds=self._deadline_seconds
        )
        try:
            head = await appender.append(cast("Sequence[Draft[AnyEvent]]", drafts), after)
        except Contended:
            raise  # of this history alone: the log stores what others append
        except Unavailable as error:
            self._append_failed = (asyncio.get_running_loop().time(), str(error))
            raise
        self._append_failed = None
        return head

    async def check(self) -> None:
        """Ask whether the log can store. Raises Unavailable, ApiError.

        A log on a full disk still answers, and stores nothing: appends that failed tell.
        """
        await self.info()
        if self._append_failed is not None:
            at, reason = self._append_failed
            if asyncio.get_running_loop().time() - at < _FAILED_SECONDS:
                raise Unavailable(f"Nothing could be appended a moment ago: {reason}")

    async def read(self, history: History, *, after: int | Head = 0) -> Sequence[Recorded]:
        """Return the history's events with a version above `after`, oldest first.

        After a Head only what stands behind it is fetched. Shows every append that was acknowledged
        before the call. Raises Unavailable.
        """
        found: list[Recorded] = []
        async for page in self.pages(history, after=after):
            found += page
        return found

    async def pages(
        self, history: History, *, after: int | Head = 0, limit: int = PAGE_EVENTS
    ) -> AsyncGenerator[Sequence[Recorded], None]:
        """Yield what `read` returns in pages of up to `limit` events, one held at a time.

        Raises Unavailable.
        """
        head = after if isinstance(after, Head) else self._place(history, after)
        version = after.version if isinstance(after, Head) else after
        sieve = HistoryDecoder(event_subject(history), head.version, proofs=self._connection.keys)
        stored = reading.pages(
            self._connection,
            event_subject(history),
            after=head.sequence,
            within_seconds=self._deadline_seconds,
            limit=limit,
        )
        async with aclosing(stored):
            async for page in stored:
                admitted = [r for s in page if (r := sieve.admit(s)) is not None]
                if head == self._index.head(history, head.version):
                    self._index.learn(history, admitted)
                if events := [r for r in admitted if r.version > version]:
                    yield events

    async def bodies(
        self, history: History, *, after: int, limit: int
    ) -> Sequence[tuple[int, bytes]]:
        """Return the versions above `after` and their bytes, oldest first, up to `limit`.

        Costs what it returns where the history was read before: what was validated then is not
        decoded again. Raises Unavailable.
        """
        found = await self._known_bodies(history, after, limit)
        if len(found) < limit:
            last = found[-1][0] if found else after
            way = last - self._place(history, last).version  # to be read before what is asked for
            size = min(PAGE_EVENTS, max(_MIN_PAGE_EVENTS, way + limit - len(found)))
            pages = self.pages(history, after=last, limit=size)
            async with aclosing(pages):
                async for page in pages:
                    found += [(recorded.version, recorded.body) for recorded in page]
                    if len(found) >= limit:
                        break
        return found[:limit]

    async def _known_bodies(
        self, history: History, after: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Fetch what stands at known places; nothing when it does not stand there any more."""
        before = self._place(history, after)
        wanted = list(self._index.sequences(history, after, limit))
        if before.version != after or not wanted:
            return []
        bodies: dict[int, bytes] = {}
        stored = reading.pages(
            self._connection,
            event_subject(history),
            after=before.sequence,
            within_seconds=self._deadline_seconds,
            limit=len(wanted),
        )
        async with aclosing(stored):
            async for page in stored:
                bodies.update((each.sequence, each.body) for each in page)
                if page[-1].sequence >= wanted[-1]:
                    break
        if any(sequence not in bodies for sequence in wanted):  # it was erased meanwhile
            self._index.forget(history)
            return []
        return [(after + n, bodies[sequence]) for n, sequence in enumerate(wanted, 1)]

    def _place(self, history: History, version: int) -> Head:
        """Return from where to go on reading a history; after a reconnect it may be another log."""
        if self._connection.reconnects != self._reconnects:
            self._reconnects = self._connection.reconnects
            self._index.clear()
        return self._index.head(history, version)

    async def exists(self, history: History) -> bool:
        """Return whether a history has begun and is not erased. Raises Unavailable."""
        return await exists(self._connection, history, within_seconds=self._deadline_seconds)

    async def head(self, history: History) -> Head:
        """Return where the history ends, NOWHERE when it is empty. Raises Unavailable."""
        subject = event_subject(history)
        last = await reading.last_message(
            self._connection, subject, within_seconds=self._deadline_seconds
        )
        if last is None:
            return NOWHERE
        try:
            head = self._read_event(subject, last).head
        except InvalidEvent:
            head = NOWHERE
        # As many messages as versions: nothing was forged or erased, and the last is the head.
        count = await reading.count(
            self._connection, subject, within_seconds=self._deadline_seconds
        )
        if head.version == count:
            return head
        known = self._place(history, MAX_COUNT)
        events = await self.read(history, after=known)
        return events[-1].head if events else known

    async def heads(self, histories: Sequence[History]) -> Mapping[History, int]:
        """Return the last version of each history that exists, all at once. Raises Unavailable.

        May be a moment behind what was acknowledged; for callers who ask again soon.
        """
        by_subject = {event_subject(history): history for history in histories}
        last = await last_messages(
            self._connection, list(by_subject), within_seconds=self._deadline_seconds
        )
        found = {}
        for subject, stored in last.items():
            try:
                found[by_subject[subject]] = self._read_event(subject, stored).version
            except InvalidEvent:
                continue  # what is no event is no head; the next event will be
        return found

    async def follow(
        self, name: str, *, after: int = 0, until: asyncio.Event, is_placed: bool = True
    ) -> AsyncIterator[Sequence[Recorded]]:
        """Yield every event above the sequence `after`, in batches of up to 200, as they come.

        A message that is no event, or not its history's next, goes to the dead letters of `name`,
        a few of each task (`invalid_messages`), and the reader goes on. Where it begins in the
        middle of a history it reads what was before, unless `is_placed` is False: then the reader
        is given all events, and is to look itself whether each is its history's next. Waits where
        a dead letter cannot be stored. Raises Unavailable when the connection ends for good.
        """
        continuity = (
            OrderCheck(self._connection, deadline_seconds=self._deadline_seconds)
            if is_placed
            else None
        )
        async with aclosing(follow(self._connection, name, after=after, until=until)) as deliveries:
            async for batch in deliveries:
                if events := await self._valid_events(name, batch, continuity):
                    yield events

    async def quarantine(self, name: str, history: History, sequence: int, reason: str) -> None:
        """Park a task in the dead letters of `name`: its fold broke at the event at `sequence`.

        Never raises: where it cannot be stored, it is in this process's log and metrics.
        """
        await park_task(
            self._connection,
            name,
            EventPlace(event_subject(history), sequence),
            reason=reason,
            deadline_seconds=self._deadline_seconds,
        )

    async def info(self) -> LogInfo:
        """Return which log this is, its end and its size. Raises Unavailable, ApiError."""
        info = await api.stream_info(self._connection)
        return LogInfo(info.created, info.state.last_seq, info.state.bytes)

    async def _growth(
        self, history: History, version: int, sequence: int, within_seconds: float
    ) -> HistoryGrowth:
        subject = event_subject(history)
        stored = await reading.messages(
            self._connection, subject, after=sequence, within_seconds=within_seconds
        )
        sieve = HistoryDecoder(subject, version, proofs=self._connection.keys)
        admitted = [r for s in stored if (r := sieve.admit(s)) is not None]
        marks = [EventMark(recorded.id, recorded.sequence) for recorded in admitted]
        return HistoryGrowth(marks, stored[-1].sequence if stored else sequence)

    async def _valid_events(
        self, name: str, batch: Sequence[DeliveredMessage], continuity: OrderCheck | None
    ) -> Sequence[Recorded]:
        found, proofs = [], self._connection.keys
        for delivered in batch:
            try:
                recorded = read_event(
                    delivered.subject,
                    delivered.sequence,
                    delivered.body,
                    headers=delivered.headers,
                    proofs=proofs,
                )
                if continuity is not None and not continuity.is_next(recorded):
                    await self._placed(recorded, continuity)
            except InvalidEvent as error:
                await self._invalid.handle(name, delivered, error)
            else:
                found.append(recorded)
        return found

    def _read_event(self, subject: str, stored: StoredMessage | DeliveredMessage) -> Recorded:
        return read_event(
            subject,
            stored.sequence,
            stored.body,
            headers=stored.headers,
            proofs=self._connection.keys,
        )

    async def _placed(self, recorded: Recorded, continuity: OrderCheck) -> None:
        """Require that the event is its history's next, however long the log is away."""
        while True:
            try:
                return await continuity.require_next(recorded)
            except Unavailable as reason:
                self._connection.require_open()
                _log.warning("follow.order_unknown", reason=str(reason))
                await asyncio.sleep(_RETRY_SECONDS)
