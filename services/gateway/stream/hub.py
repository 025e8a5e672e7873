"""Keeps one feed a task and process, and keeps it true, whatever Redis loses.

Subscribe, await the confirmation, then read the log: nothing falls between the two. After that, a
gap, a new subscription and every ten seconds are reasons to compare with the log again.
"""

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from random import uniform

from prometheus_client import Gauge

from events import History
from infra.event_log import Unavailable
from infra.fanout import feed_channel, unpack
from infra.telemetry import logger
from services.gateway.stream.feed import Feed, Histories, Page, Watcher
from services.gateway.stream.redis_reader import RedisReader

CHECK_SECONDS = 10.0
LINGER_SECONDS = 60.0
_MENDERS = 4
_PAGE_EVENTS = 500
_PAGE_BYTES = 256 * 1024

_feeds = Gauge("errand_gateway_feeds", "Tasks whose events this process holds.")
_log = logger(__name__)


class _Waiter:
    """A watcher that sleeps until it is woken."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def wake(self) -> None:
        self.woken.set()

    def hear(self, item: bytes) -> None:
        """Live items are for the stream; a page of events has no place for them."""


class Hub:
    """All feeds of this process, each compared with the log every `check_seconds`."""

    def __init__(
        self,
        log: Histories,
        redis_url: str,
        *,
        check_seconds: float = CHECK_SECONDS,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self._histories = log
        self._check_seconds = check_seconds
        self._linger_seconds = linger_seconds
        self._feeds: dict[str, Feed] = {}  # by channel
        self._idle_since: dict[str, float] = {}
        self._suspects: asyncio.Queue[Feed] = asyncio.Queue()
        self._queued: set[Feed] = set()
        self._redis = RedisReader(redis_url, on_message=self._on_message, on_gap=self._on_gap)

    async def run(self, stopping: asyncio.Event) -> None:
        """Hear Redis, mend gaps and check positions until told to stop."""
        async with asyncio.TaskGroup() as group:
            work = [group.create_task(self._mend()) for _ in range(_MENDERS)]
            work.append(group.create_task(self._check()))
            await self._redis.run(stopping)
            for task in work:
                task.cancel()

    @asynccontextmanager
    async def watch(self, history: History, watcher: Watcher) -> AsyncIterator[Feed]:
        """Hold a task's feed open, loaded from the log, for as long as the block runs.

        Raises Unavailable when the log cannot be read.
        """
        channel = feed_channel(history)
        feed = self._feed(channel, history)
        feed.watchers.add(watcher)
        try:
            await self._redis.subscribe(channel)
            await feed.load()
            yield feed
        finally:
            feed.watchers.discard(watcher)
            self._leave(channel, feed)

    async def events(self, history: History, after: int) -> AsyncGenerator[Page, None]:
        """Yield pages of (version, stored bytes), dense and in order from `after` + 1, for ever."""
        waiter = _Waiter()
        async with self.watch(history, waiter) as feed:
            while True:
                waiter.woken.clear()
                page = feed.after(after, most_events=_PAGE_EVENTS, most_bytes=_PAGE_BYTES)
                if page is None:
                    stored = await self._histories.read(history, after=after)
                    page = [(recorded.version, recorded.body) for recorded in stored]
                if not page:
                    await waiter.woken.wait()
                for start in range(0, len(page), _PAGE_EVENTS):
                    part = page[start : start + _PAGE_EVENTS]
                    after = part[-1][0]
                    yield part

    def _feed(self, channel: str, history: History) -> Feed:
        feed = self._feeds.get(channel)
        if feed is None:
            feed = self._feeds[channel] = Feed(history, self._histories)
            _feeds.set(len(self._feeds))
        self._idle_since.pop(channel, None)
        return feed

    def _leave(self, channel: str, feed: Feed) -> None:
        """Keep a feed for whoever comes back soon; not one of a task that is not there."""
        if feed.watchers:
            return
        if feed.high:
            self._idle_since[channel] = asyncio.get_running_loop().time()
        else:
            self._close(channel)

    def _on_message(self, channel: str, payload: bytes) -> None:
        feed = self._feeds.get(channel)
        if feed is None:
            return
        try:
            feed.hear(unpack(payload))
        except struct.error:
            _log.error("not a frame", channel=channel, size_bytes=len(payload))
            self._suspect(feed)
        if feed.is_suspect:
            self._suspect(feed)

    def _on_gap(self, channel: str) -> None:
        feed = self._feeds.get(channel)
        if feed is not None:
            self._suspect(feed)

    def _suspect(self, feed: Feed) -> None:
        if feed not in self._queued:
            self._queued.add(feed)
            self._suspects.put_nowait(feed)

    async def _mend(self) -> None:
        """Compare suspect feeds with the log, at once."""
        while True:
            feed = await self._suspects.get()
            self._queued.discard(feed)
            await self._compare(feed)

    async def _check(self) -> None:
        """Compare every feed with the log now and then: Redis may have lost the last message."""
        while True:
            await asyncio.sleep(self._check_seconds * uniform(0.8, 1.0))  # noqa: S311 - jitter
            now = asyncio.get_running_loop().time()
            for channel, feed in list(self._feeds.items()):
                idle_since = self._idle_since.get(channel)
                if idle_since is not None and now - idle_since > self._linger_seconds:
                    self._close(channel)
                else:
                    self._suspect(feed)

    async def _compare(self, feed: Feed) -> None:
        try:
            await feed.check()
        except Unavailable as error:
            _log.warning(
                "the log is away, checking later", task=feed.history.task, error=str(error)
            )

    def _close(self, channel: str) -> None:
        self._feeds.pop(channel, None)
        self._idle_since.pop(channel, None)
        self._redis.unsubscribe(channel)
        _feeds.set(len(self._feeds))
