"""A task's newest events, held once for everyone who watches it. A phone is a cursor on it.

What Redis brings is only a hint: an event is appended when it is the next one, held back when one
is missing, dropped when it is known. What is missing comes from the log.
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
_CUT_BYTES = 64 * 1024
_CUTS = 4  # phones that are live stand at one place, or two
_ERASED = b'"type":"task.erased"'  # in a string of a body its quotes would be escaped

log_reads = Counter("errand_gateway_log_reads", "Questions that feeds put to the log.")

Page = list[tuple[int, bytes]]


class EventBatch(NamedTuple):
    """The events after a version, joined by commas as a frame has them, up to version `last`."""

    joined: bytes
    last: int


class HistoryReader(Protocol):
    """What a feed asks of the log."""

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
        """Return the last version of each that exists; may be a moment behind."""
        ...


class Watcher(Protocol):
    """Somebody who looks at a feed."""

    def wake(self) -> None:
        """There is something new after your cursor."""
        ...

    def hear(self, passing: EphemeralItem) -> None:
        """Take a live item now, or miss it: it is not kept."""
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
        self._told = 0  # the newest version heard of, at hand or not
        self._place = NOWHERE  # the newest event whose sequence is known: reads begin behind it
        self._cuts: dict[int, EventBatch] = {}  # by version, until the next event comes
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
        """The newest version at hand; 0 for a history that does not exist."""
        return self._low + len(self._ring) - 1

    @property
    def is_loaded(self) -> bool:
        """Whether the tail was read from the log."""
        return self._loaded

    @property
    def is_suspect(self) -> bool:
        """Whether an event is known to be missing."""
        return self._loaded and self._told > self.high

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
        """Take note that the history is this long; `is_suspect` then tells what is missing."""
        self._told = max(self._told, version)

    def hear(self, frame: Frame) -> None:
        """Take what Redis brought. Afterwards `is_suspect` tells whether something is missing."""
        if frame.version == EPHEMERAL:
            passing = read_ephemeral(frame.body)
            if passing is not None:
                for watcher in self.watchers:
                    watcher.hear(passing)
            return
        self._told = max(self._told, frame.version)
        if self._loaded and frame.version == self.high + 1:
            self._push(frame.body)
            self._drain()
            self._wake()
        elif frame.version > self.high:
            self._hold(frame)

    def after(self, version: int, *, most_events: int, most_bytes: int) -> Page | None:
        """Give the events after `version`, within both limits but at least one if there is any.

        None when `version` is older than the ring: ask for a page, or the log.
        """
        if version + 1 < self._low:
            return None
        page: Page = []
        size = 0
        for place in range(version + 1 - self._low, len(self._ring)):
            body = self._ring[place]
            if page and (len(page) >= most_events or size + len(body) > most_bytes):
                break
            page.append((self._low + place, body))
            size += len(body)
        return page

    def cut(self, version: int) -> EventBatch | None:
        """Give the events after `version`, a page at most, as all who stand there are sent them.

        Joined once for everybody. None when `version` is older than the ring.
        """
        known = self._cuts.get(version)
        if known is not None:
            return known
        page = self.after(version, most_events=PAGE_EVENTS, most_bytes=_CUT_BYTES)
        if page is None:
            return None
        made = EventBatch(b",".join([body for _, body in page]), page[-1][0] if page else version)
        while len(self._cuts) >= _CUTS:
            del self._cuts[next(iter(self._cuts))]
        self._cuts[version] = made
        return made

    async def page(self, version: int) -> EventBatch | None:
        """Read from the log what the ring holds no more, up to a page; None when it is more.

        The page read last is kept, so that phones that come back together cost one read.
        """
        async with self._paging:
            if version + 1 >= self._low:
                return self.cut(version)
            if self._low - version - 1 > PAGE_EVENTS:
                return None
            begin, page = self._older
            if begin != version:
                log_reads.inc()
                page = list(await self._log.bodies(self.history, after=version, limit=PAGE_EVENTS))
                self._older = (version, page)
        return _within(page, PAGE_BYTES, version)

    async def _catch_up(self) -> None:
        """Read what is missing; a log that lags behind what was told is asked again a few times.

        What it still does not have then is believed no more: the next check asks for its head.
        """
        for pause_seconds in self._retries_seconds:
            await asyncio.sleep(pause_seconds)
            await self._read_on()
            if not self.is_suspect:
                return
        self._told = self.high
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
        self._cuts.clear()
        self._ring.append(body)
        self._ring_bytes += len(body)
        while len(self._ring) > self._most_events or self._ring_bytes > self._most_bytes:
            self._ring_bytes -= len(self._ring.popleft())
            self._low += 1

    def _hold(self, frame: Frame) -> None:
        """Keep what came too early, as far as there is room: the log has it all the same."""
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


def _within(page: Page, most_bytes: int, version: int) -> EventBatch:
    """Cut a page to a size, but to one event at least."""
    taken: list[bytes] = []
    size = 0
    for last, body in page:
        if taken and size + len(body) > most_bytes:
            break
        taken.append(body)
        size += len(body)
        version = last
    return EventBatch(b",".join(taken), version)
