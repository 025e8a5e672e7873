"""Feed of a task's newest events, held once for all watchers. A device is a cursor on it.

What Redis (`redis_connection`) brings is only a hint: an event is appended when it is the next
one, held back when one is missing, dropped when it is known. What is missing comes from the log.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from prometheus_client import Counter

from events import NOWHERE, Head, History, Recorded
from infra.stores.live_channels import EPHEMERAL, Frame
from services.gateway.stream.rules.ephemeral import EphemeralItem, read_ephemeral

RING_EVENTS = 2048
RING_BYTES = 8 * 1024 * 1024
HELD_BYTES = 1024 * 1024
LAG_RETRIES_SECONDS = (0.0, 0.01, 0.04, 0.16, 0.64)
PAGE_EVENTS = 500
PAGE_BYTES = 256 * 1024
_BATCH_BYTES = 64 * 1024
_CUTS = 4  # phones that are live stand at one place, or two
_ERASED = b'"type":"task.erased"'  # in a string of a body its quotes would be escaped

log_reads = Counter("errand_gateway_log_reads", "Questions that feeds put to the log.")

Page = list[tuple[int, bytes]]


class EventBatch(NamedTuple):
    """Events after a version, joined by commas as in a frame, up to version `last`."""

    joined: bytes
    last: int


class HistoryReader(Protocol):
    """Read access to histories for feeds."""

    async def read(self, history: History, *, after: int | Head = 0) -> Sequence[Recorded]:
        """Return the events with a version above `after`, oldest first."""
        ...

    async def bodies(
        self, history: History, *, after: int, limit: int
    ) -> Sequence[tuple[int, bytes]]:
        """Return the versions above `after` and their bytes, oldest first, up to `limit`."""
        ...

    async def head(self, history: History) -> Head:
        """Return the last version and its sequence."""
        ...

    async def heads(self, histories: Sequence[History]) -> Mapping[History, int]:
        """Return the last version of each existing history; may be a moment behind."""
        ...


class Watcher(Protocol):
    """Watcher of a feed."""

    def wake(self) -> None:
        """Notify the watcher of events after its cursor."""
        ...

    def receive(self, item: EphemeralItem) -> None:
        """Receive a live item; it is not stored."""
        ...


class Feed:
    """The tail of one history: versions `low` to `high`, contiguous, bounded in count and bytes."""

    def __init__(
        self,
        history: History,
        log: HistoryReader,
        *,
        ring_events: int = RING_EVENTS,
        ring_bytes: int = RING_BYTES,
        retries_seconds: Sequence[float] = LAG_RETRIES_SECONDS,
    ) -> None:
        self.history = history
        self.watchers: set[Watcher] = set()
        self._log = log
        self._most_events = ring_events
        self._most_bytes = ring_bytes
        self._retries_seconds = retries_seconds
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._low = 1
        self._announced = 0  # the newest version known of, loaded or not
        self._place = NOWHERE  # the newest event whose sequence is known: reads begin behind it
        self._batches: dict[int, EventBatch] = {}  # by version, until the next event comes
        self._older: tuple[int, Page] = (-1, [])
        self._held: dict[int, bytes] = {}
        self._held_bytes = 0
        self._filling = asyncio.Lock()
        self._asked = 0  # how often a comparison was asked for,
        self._answered = 0  # and how many of those are answered
        self._paging = asyncio.Lock()
        self._loaded = False

    @property
    def high(self) -> int:
        """Newest loaded version; 0 for a history that does not exist."""
        return self._low + len(self._ring) - 1

    @property
    def is_loaded(self) -> bool:
        """True when the tail was read from the log."""
        return self._loaded

    @property
    def is_suspect(self) -> bool:
        """True when an event is known to be missing."""
        return self._loaded and self._announced > self.high

    async def load(self) -> None:
        """Read the tail from the log, once. Call after the subscription is confirmed."""
        async with self._filling:
            if self._loaded:
                return
            head = await self._head()
            self._low = max(1, head.version - self._most_events + 1)
            await self._read_on()
            self._loaded = True
            if self.is_suspect:
                await self._catch_up()

    async def check(self) -> None:
        """Compare with the log's head and fetch what is missing. Raises Unavailable.

        Single flight: a comparison that begins answers all who asked before it began.
        """
        if not self._loaded:
            return
        self._asked += 1
        mine = self._asked
        async with self._filling:
            if self._answered >= mine:
                return
            covered = self._asked
            if not self.is_suspect:
                self.learn((await self._head()).version)
            if self.is_suspect:
                await self._catch_up()
            self._answered = covered

    def learn(self, version: int) -> None:
        """Record the history's length; `is_suspect` is then true if events are missing."""
        self._announced = max(self._announced, version)

    def receive(self, frame: Frame) -> None:
        """Receive a frame from Redis. Afterwards `is_suspect` is true if something is missing."""
        if frame.version == EPHEMERAL:
            item = read_ephemeral(frame.body)
            if item is not None:
                for watcher in self.watchers:
                    watcher.receive(item)
            return
        self._announced = max(self._announced, frame.version)
        if self._loaded and frame.version == self.high + 1:
            self._push(frame.body)
            self._drain()
            self._wake()
        elif frame.version > self.high:
            self._hold(frame)

    def after(self, version: int, *, max_events: int, max_bytes: int) -> Page | None:
        """Return the events after `version`, within both limits but at least one if there is any.

        None when `version` is older than the ring: ask for a page, or the log.
        """
        if version + 1 < self._low:
            return None
        page: Page = []
        size = 0
        for place in range(version + 1 - self._low, len(self._ring)):
            body = self._ring[place]
            if page and (len(page) >= max_events or size + len(body) > max_bytes):
                break
            page.append((self._low + place, body))
            size += len(body)
        return page

    def batch(self, version: int) -> EventBatch | None:
        """Return the events after `version`, at most a page, as one shared batch.

        Joined once for all of them. None when `version` is older than the ring.
        """
        known = self._batches.get(version)
        if known is not None:
            return known
        page = self.after(version, max_events=PAGE_EVENTS, max_bytes=_BATCH_BYTES)
        if page is None:
            return None
        made = EventBatch(b",".join([body for _, body in page]), page[-1][0] if page else version)
        while len(self._batches) >= _CUTS:
            del self._batches[next(iter(self._batches))]
        self._batches[version] = made
        return made

    async def page(self, version: int) -> EventBatch | None:
        """Read a page that the ring has dropped from the log; None when it is more than a page.

        The last page is cached, so that devices that reconnect together cost one read.
        """
        async with self._paging:
            if version + 1 >= self._low:
                return self.batch(version)
            if self._low - version - 1 > PAGE_EVENTS:
                return None
            begin, page = self._older
            if begin != version:
                log_reads.inc()
                page = list(await self._log.bodies(self.history, after=version, limit=PAGE_EVENTS))
                self._older = (version, page)
        return _within(page, PAGE_BYTES, version)

    async def _catch_up(self) -> None:
        """Read what is missing; a log behind the announced version is read again a few times.

        What it still lacks then is ignored: the next check reads its head.
        """
        for pause_seconds in self._retries_seconds:
            await asyncio.sleep(pause_seconds)
            await self._read_on()
            if not self.is_suspect:
                return
        self._announced = self.high
        self._held.clear()
        self._held_bytes = 0

    async def _head(self) -> Head:
        log_reads.inc()
        return await self._log.head(self.history)

    async def _read_on(self) -> None:
        before = self.high
        log_reads.inc()
        after = self._place if self._place.version else before
        stored = [r for r in await self._log.read(self.history, after=after) if r.version > before]
        if stored and stored[0].version > self.high + 1:  # what was between is erased
            self._begin_at(stored[0].version)
        for recorded in stored:
            if recorded.version == self.high + 1:
                self._push(recorded.body)
        if stored:
            self._place = stored[-1].head
        self._drain()
        if self.high > before:
            self._wake()

    def _begin_at(self, version: int) -> None:
        self._ring.clear()
        self._older = (-1, [])
        self._ring_bytes = 0
        self._low = version

    def _push(self, body: bytes) -> None:
        if _ERASED in body:
            self._begin_at(self.high + 1)
        self._batches.clear()
        self._ring.append(body)
        self._ring_bytes += len(body)
        while len(self._ring) > self._most_events or self._ring_bytes > self._most_bytes:
            self._ring_bytes -= len(self._ring.popleft())
            self._low += 1

    def _hold(self, frame: Frame) -> None:
        """Hold events that came too early, within a limit: the log has them too."""
        if (
            frame.version not in self._held
            and self._held_bytes + len(frame.body) <= HELD_BYTES
            and len(self._held) < self._most_events
        ):
            self._held[frame.version] = frame.body
            self._held_bytes += len(frame.body)

    def _drain(self) -> None:
        while (body := self._held.pop(self.high + 1, None)) is not None:
            self._held_bytes -= len(body)
            self._push(body)
        for version in [v for v in self._held if v <= self.high]:
            self._held_bytes -= len(self._held.pop(version))

    def _wake(self) -> None:
        for watcher in self.watchers:
            watcher.wake()


def _within(page: Page, max_bytes: int, version: int) -> EventBatch:
    """Return a page cut to a size, with at least one event."""
    taken: list[bytes] = []
    size = 0
    for last, body in page:
        if taken and size + len(body) > max_bytes:
            break
        taken.append(body)
        size += len(body)
        version = last
    return EventBatch(b",".join(taken), version)
