"""Keeps one feed a task and process, and keeps it true, whatever Redis loses.

Subscribe, await the confirmation, then read the log: nothing falls between the two. After that, a
gap, a new subscription and every ten seconds are reasons to compare with the log again.
"""

import asyncio
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
    """All feeds of this process."""

    def __init__(self, log: Histories, redis_url: str) -> None:
        self._histories = log
        self._feeds: dict[str, Feed] = {}  # by channel
        self._idle_since: dict[str, float] = {}
        self._suspects: asyncio.Queue[Feed] = asyncio.Queue()
        self._redis = RedisReader(redis_url, on_message=self._on_message, on_gap=self._on_gap)

    async def run(self, stopping: asyncio.Event) -> None:
        """Hear Redis, mend gaps and check positions until told to stop."""
        async with asyncio.TaskGroup() as group:
            work = [group.create_task(self._mend()), group.create_task(self._check())]
            await self._redis.run(stopping)
            for task in work:
                task.cancel()

    @asynccontextmanager
    async def watch(self, history: History, watcher: Watcher) -> AsyncIterator[Feed]:
        """Hold a task's feed open, loaded from the log, for as long as the block runs.

        Raises Unavailable when the log cannot be read.
        """
        feed = await self._open(history)
        feed.watchers.add(watcher)
        try:
            await feed.load()
            yield feed
        finally:
            feed.watchers.discard(watcher)
            if not feed.watchers:
                self._idle_since[feed_channel(history)] = asyncio.get_running_loop().time()

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
                if page:
                    after = page[-1][0]
                    yield page
                else:
                    await waiter.woken.wait()

    async def _open(self, history: History) -> Feed:
        channel = feed_channel(history)
        feed = self._feeds.get(channel)
        if feed is None:
            feed = self._feeds[channel] = Feed(history, self._histories)
            _feeds.set(len(self._feeds))
        self._idle_since.pop(channel, None)
        await self._redis.subscribe(channel)
        return feed

    def _on_message(self, channel: str, payload: bytes) -> None:
        feed = self._feeds.get(channel)
        if feed is not None:
            was_suspect = feed.is_suspect
            feed.hear(unpack(payload))
            if feed.is_suspect and not was_suspect:
                self._suspects.put_nowait(feed)

    def _on_gap(self, channel: str) -> None:
        feed = self._feeds.get(channel)
        if feed is not None:
            self._suspects.put_nowait(feed)

    async def _mend(self) -> None:
        """Compare suspect feeds with the log, one after the other, at once."""
        while True:
            feed = await self._suspects.get()
            await self._compare(feed)

    async def _check(self) -> None:
        """Compare every feed with the log now and then: Redis may have lost the last message."""
        while True:
            await asyncio.sleep(CHECK_SECONDS * uniform(0.8, 1.0))  # noqa: S311 - jitter
            now = asyncio.get_running_loop().time()
            for channel, feed in list(self._feeds.items()):
                idle_since = self._idle_since.get(channel)
                if idle_since is not None and now - idle_since > LINGER_SECONDS:
                    self._close(channel)
                else:
                    await self._compare(feed)

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
