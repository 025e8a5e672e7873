"""A history that grows when told, and a phone's cursor on its feed."""

import asyncio
from collections.abc import Sequence

from events import Head, History, Recorded, TaskErased, TaskInstructed
from infra.log.event_log import Unavailable
from infra.stores.live_channels import Frame
from services.gateway.stream.feed import Feed
from services.gateway.stream.rules.ephemeral import EphemeralItem
from tests.kit.build.any_event import HISTORY, recorded


class Log:
    """A history that grows when told, and may lag behind itself or be away."""

    def __init__(self, length: int = 0) -> None:
        self.length = length
        self.lag = 0
        self.lagging_reads = 0
        self.is_away = False
        self.reads = 0
        self.reading: asyncio.Event | None = None
        self.erased = 0

    def grow(self) -> Frame:
        self.length += 1
        return frame(self.length)

    async def bodies(
        self, history: History, *, after: int, limit: int
    ) -> Sequence[tuple[int, bytes]]:
        return [(r.version, r.body) for r in (await self.read(history, after=after))[:limit]]

    async def read(self, history: History, *, after: int | Head = 0) -> Sequence[Recorded]:
        after = after.version if isinstance(after, Head) else after
        self.reads += 1
        length = self._length()
        if self.reading is not None:
            await self.reading.wait()
        await asyncio.sleep(0)
        first = max(after + 1, self.erased)
        return [self._event(version) for version in range(first, length + 1)]

    def erase(self) -> Frame:
        """Leave of the history what says that it was erased."""
        self.length += 1
        self.erased = self.length
        return Frame(self.length, self._event(self.length).body)

    def _event(self, version: int) -> Recorded:
        if version == self.erased:
            return recorded(TaskErased(reason="asked"), version)
        return event(version)

    async def head(self, history: History) -> Head:
        await asyncio.sleep(0)
        length = self._length()
        return Head(length, length)

    async def heads(self, histories: Sequence[History]) -> dict[History, int]:
        await asyncio.sleep(0)
        return dict.fromkeys(histories, self._length())

    def _length(self) -> int:
        if self.is_away:
            raise Unavailable("away")
        if self.lagging_reads:
            self.lagging_reads -= 1
            return self.length - self.lag
        return self.length


class Phone:
    """A cursor, as a session has it."""

    def __init__(self, feed: Feed, cursor: int = 0) -> None:
        self.feed = feed
        self.cursor = cursor
        self.delivered: list[bytes] = []
        self.heard: list[bytes] = []
        self.wakes = 0
        feed.watchers.add(self)

    def wake(self) -> None:
        self.wakes += 1
        self.take()

    def receive(self, passing: EphemeralItem) -> None:
        self.heard.append(passing.item)

    def take(self, *, max_events: int = 500) -> None:
        page = self.feed.after(self.cursor, max_events=max_events, max_bytes=64 * 1024)
        for version, body in page or ():
            assert version == self.cursor + 1, "a gap or a repeat"
            self.cursor = version
            self.delivered.append(body)


def event(version: int) -> Recorded:
    return recorded(TaskInstructed(text=f"event {version}"), version)


def frame(version: int) -> Frame:
    return Frame(version, event(version).body)


def bodies(first: int, last: int) -> list[bytes]:
    return [event(version).body for version in range(first, last + 1)]


async def loaded(log: Log, **limits: int) -> Feed:
    feed = Feed(HISTORY, log, retries_seconds=(0.0, 0.0, 0.0), **limits)
    await feed.load()
    return feed
