"""Cursor of a device in a task's feed, and the items to send next."""

from contextlib import AsyncExitStack
from typing import Final

from events import TaskId
from events.protocol import frames
from services.gateway.stream.feed import EventBatch, Feed

LOOK_IN_THE_LOG: Final = None
"""The answer of `Cursor.news` when the ring does not reach back far enough."""


class Cursor:
    """Position of a device in one task. All that is kept of a slow device."""

    def __init__(self, task: TaskId, feed: Feed, version: int, held: AsyncExitStack) -> None:
        self.task = task
        self.version = version
        self._feed = feed
        self._held = held
        self._is_told_live = False
        self._is_behind = False

    @property
    def has_more(self) -> bool:
        """True when there are events after what was sent."""
        return not self._is_behind and self.version < self._feed.high

    async def close(self) -> None:
        """Leave the feed."""
        await self._held.aclose()

    def news(self) -> list[bytes] | None:
        """Return the next items to send, and advance; None when they must come from the log."""
        if self._is_behind:
            return []  # silent until the device subscribes again
        cut = self._feed.batch(self.version)
        return LOOK_IN_THE_LOG if cut is None else self._sent(cut)

    async def older(self) -> list[bytes]:
        """Return the next items from the log, or `Behind` when there are too many for the stream.

        Raises Unavailable.
        """
        cut = await self._feed.page(self.version)
        if cut is not None:
            return self._sent(cut)
        self._is_behind = True
        url = f"/v1/tasks/{self.task}/events?after={self.version}"
        behind = frames.Behind(self.task, self.version, self._feed.high, url)
        return [frames.encode(behind)]

    def _sent(self, cut: EventBatch) -> list[bytes]:
        items = [cut.joined] if cut.joined else []
        self.version = cut.last
        if self.version >= self._feed.high and not self._is_told_live:
            self._is_told_live = True
            items.append(frames.encode(frames.Live(self.task, self.version)))
        return items
