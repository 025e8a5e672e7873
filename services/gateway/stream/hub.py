"""Hub of one feed per task and one inbox per account, kept complete whatever Redis loses.

Subscribe, await the confirmation, then read the log: nothing falls between the two. After that, a
gap and a new subscription are reasons to compare with the log at once, and every ten seconds all
feeds are compared by one question.
"""

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from random import uniform
from typing import Protocol

from prometheus_client import Gauge

from events import AccountId, History
from infra.log.event_log import Unavailable
from infra.runtime.telemetry import logger
from infra.stores.live_channels import feed_channel, inbox_channel, unpack
from services.gateway.stream.feed import (
    PAGE_BYTES,
    PAGE_EVENTS,
    Feed,
    HistoryReader,
    Page,
    Watcher,
    log_reads,
)
from services.gateway.stream.inbox import Inbox, InboxReader, TaskLists
from services.gateway.stream.redis_connection import Listener
from services.gateway.stream.rules.ephemeral import EphemeralItem

CHECK_SECONDS = 10.0
LINGER_SECONDS = 60.0
_REPAIR_WORKERS = 4
_CHECKS_A_LIST = 3  # a line is less than an event

_feeds = Gauge("errand_gateway_feeds", "Tasks whose events this process holds.")
_log = logger(__name__)


class Channels(Protocol):
    """Redis channels for the hub. Implemented by redis_reader.RedisReader."""

    async def run(self, listener: Listener, stopping: asyncio.Event) -> None:
        """Receive messages until stopped."""
        ...

    async def subscribe(self, channel: str) -> None:
        """Subscribe to a channel; return when that is confirmed, or Redis is away."""
        ...

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        ...


class _Waiter:
    """Watcher that sleeps until it is woken."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def wake(self) -> None:
        self.woken.set()

    async def is_woken(self, within_seconds: float | None) -> bool:
        """Sleep until woken, or for at most so long."""
        try:
            async with asyncio.timeout(within_seconds):
                return await self.woken.wait()
        except TimeoutError:
            return False

    def receive(self, item: EphemeralItem) -> None:
        """Ignore a live item: they are for the stream only."""


class Hub:
    """All feeds and inboxes of this process, compared with the log every `check_seconds`."""

    def __init__(
        self,
        log: HistoryReader,
        channels: Channels,
        lists: TaskLists,
        *,
        check_seconds: float = CHECK_SECONDS,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self._histories = log
        self._channels = channels
        self._lists = lists
        self._check_seconds = check_seconds
        self._linger_seconds = linger_seconds
        self._feeds: dict[str, Feed] = {}  # by channel
        self._inboxes: dict[str, Inbox] = {}
        self._listeners: dict[str, Callable[[bytes], None]] = {}
        self._gap_listeners: dict[str, Callable[[], None]] = {}
        self._idle_since: dict[str, float] = {}
        self._suspects: asyncio.Queue[Feed] = asyncio.Queue()
        self._queued: set[Feed] = set()
        self._stale: set[Inbox] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Receive from Redis, fill gaps and check positions until stopped."""
        async with asyncio.TaskGroup() as group:
            work = [group.create_task(self._repair()) for _ in range(_REPAIR_WORKERS)]
            work.append(group.create_task(self._check()))
            work += [group.create_task(self._channels.subscribe(name)) for name in self._listeners]
            await self._channels.run(self, stopping)
            for task in work:
                task.cancel()

    def listen(
        self,
        channel: str,
        receive: Callable[[bytes], None],
        *,
        on_gap: Callable[[], None] = lambda: None,
    ) -> None:
        """Listen to an internal channel from the start; call before `run`."""
        self._listeners[channel] = receive
        self._gap_listeners[channel] = on_gap

    @asynccontextmanager
    async def watch(self, history: History, watcher: Watcher) -> AsyncIterator[Feed]:
        """Hold a task's feed open, loaded from the log, for as long as the block runs.

        Raises Unavailable when the log cannot be read.
        """
        channel = feed_channel(history)
        feed = self._feed(channel, history)
        feed.watchers.add(watcher)
        try:
            await self._channels.subscribe(channel)
            await feed.load()
            yield feed
        finally:
            feed.watchers.discard(watcher)
            self._leave(channel, feed)

    @asynccontextmanager
    async def look(self, account: AccountId, reader: InboxReader) -> AsyncIterator[Inbox]:
        """Send a reader the account's lines, all and then each that changes, while the block runs.

        While the read model is away the lines come as soon as it is back.
        """
        channel = inbox_channel(account)
        inbox = self._inboxes.setdefault(channel, Inbox(account, self._lists))
        try:
            await self._channels.subscribe(channel)
            if not inbox.is_loaded:
                await inbox.load()
            inbox.readers.add(reader)
            inbox.show(reader)
            yield inbox
        finally:
            inbox.readers.discard(reader)
            if not inbox.readers and self._inboxes.get(channel) is inbox:
                del self._inboxes[channel]
                self._channels.unsubscribe(channel)

    async def head(self, history: History, *, at_least: int) -> int:
        """Return a history's newest version; the log is read when that is below `at_least`.

        Opens no feed: a page of events is not worth reading a tail. Raises Unavailable.
        """
        feed = self._feeds.get(feed_channel(history))
        if feed is not None and feed.is_loaded and feed.high:
            if feed.high < at_least:
                await feed.check()
            return feed.high
        log_reads.inc()
        return (await self._histories.head(history)).version

    async def events(
        self, history: History, after: int, *, beat_seconds: float | None = None
    ) -> AsyncGenerator[Page, None]:
        """Yield pages of (version, stored bytes), dense and in order from `after` + 1, for ever.

        An empty one says that nothing came for `beat_seconds`.
        """
        waiter = _Waiter()
        async with self.watch(history, waiter) as feed:
            while True:
                waiter.woken.clear()
                page = feed.after(after, max_events=PAGE_EVENTS, max_bytes=PAGE_BYTES)
                if page is None:
                    page = list(
                        await self._histories.bodies(history, after=after, limit=PAGE_EVENTS)
                    )
                if not page and not await waiter.is_woken(beat_seconds):
                    yield []
                if page:
                    after = page[-1][0]
                    yield page

    def on_message(self, channel: str, payload: bytes) -> None:
        """Receive a message from Redis, and note missing events."""
        feed = self._feeds.get(channel)
        if feed is not None:
            self._hear(feed, channel, payload)
        elif channel in self._inboxes:
            self._inboxes[channel].receive(payload)
        elif channel in self._listeners:
            self._listeners[channel](payload)

    def on_gap(self, channel: str) -> None:
        """Note that messages of a channel may have been missed."""
        if channel in self._feeds:
            self._suspect(self._feeds[channel])
        elif channel in self._inboxes:
            self._stale.add(self._inboxes[channel])
        elif channel in self._gap_listeners:
            self._gap_listeners[channel]()

    def _hear(self, feed: Feed, channel: str, payload: bytes) -> None:
        try:
            feed.receive(unpack(payload))
        except struct.error:
            _log.error("live_frame.malformed", channel=channel, size_bytes=len(payload))
            self._suspect(feed)
        if feed.is_suspect:
            self._suspect(feed)

    def _feed(self, channel: str, history: History) -> Feed:
        feed = self._feeds.get(channel)
        if feed is None:
            feed = self._feeds[channel] = Feed(history, self._histories)
            _feeds.set(len(self._feeds))
        self._idle_since.pop(channel, None)
        return feed

    def _leave(self, channel: str, feed: Feed) -> None:
        """Keep a feed for devices that reconnect soon, unless its task does not exist."""
        if feed.watchers:
            return
        if feed.high:
            self._idle_since[channel] = asyncio.get_running_loop().time()
        else:
            self._close(channel)

    def _suspect(self, feed: Feed) -> None:
        if feed not in self._queued:
            self._queued.add(feed)
            self._suspects.put_nowait(feed)

    async def _repair(self) -> None:
        """Compare suspect feeds with the log at once."""
        while True:
            feed = await self._suspects.get()
            self._queued.discard(feed)
            try:
                await feed.check()
            except Unavailable as error:
                _log.warning("log.unavailable", task=feed.history.task, error=str(error))

    async def _check(self) -> None:
        """Compare everything periodically: Redis may have lost the last message."""
        for number in count(1):
            await asyncio.sleep(self._check_seconds * uniform(0.8, 1.0))  # noqa: S311 - jitter
            self._close_idle()
            await self._compare_feeds()
            await self._compare_inboxes(everyone=number % _CHECKS_A_LIST == 0)

    async def _compare_feeds(self) -> None:
        """Read all heads in one request; feeds that are behind are repaired."""
        feeds = {feed.history: feed for feed in self._feeds.values()}
        if not feeds:
            return
        log_reads.inc()
        try:
            heads = await self._histories.heads(list(feeds))
        except Unavailable as error:
            _log.warning("log.unavailable", error=str(error))
            return
        for history, version in heads.items():
            feed = feeds[history]
            feed.learn(version)
            if feed.is_suspect:
                self._suspect(feed)

    async def _compare_inboxes(self, *, everyone: bool) -> None:
        """Reload the lists that missed something, or all that are watched."""
        wanted = set(self._inboxes.values()) if everyone else self._stale
        self._stale = set()
        for inbox in wanted:
            if not await inbox.load():
                self._stale |= wanted
                return

    def _close_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        for channel, since in list(self._idle_since.items()):
            if now - since > self._linger_seconds:
                self._close(channel)

    def _close(self, channel: str) -> None:
        self._feeds.pop(channel, None)
        self._idle_since.pop(channel, None)
        self._channels.unsubscribe(channel)
        _feeds.set(len(self._feeds))
