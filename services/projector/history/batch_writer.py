"""Writes events to a store in batches: the next batch is folded while the last is written.

What came while the database was busy, and in a short while after, goes in one batch, so a batch is
one event when nothing happens and thousands when the projector is behind. What is ahead is bounded,
in events and bytes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from events import History, Recorded
from infra.runtime.telemetry import span
from services.projector.history.store import Store
from services.projector.projections.fold import Fold

GATHER_SECONDS: Final = 0.04
"""Seconds a commit waits for more events: each commit costs a disk flush that the log needs too."""

_ENOUGH_EVENTS: Final = 250
_MAX_EVENTS: Final = 20_000
_MAX_BYTES: Final = 16 * 1024 * 1024


QuarantineTask = Callable[[History, int, str], Awaitable[None]]
"""Quarantines a task: its history, the event that broke a projection, and why."""


class BatchWriter:
    """Writer of read models in batches. `written` is the sequence of the checkpoint."""

    def __init__(self, store: Store, quarantine_task: QuarantineTask, *, at: int) -> None:
        self.written = at
        self._store = store
        self._quarantine_task = quarantine_task
        self._fold = Fold(store.tables)
        self._changed = asyncio.Condition()
        self._is_writing = False
        self._is_urgent = False
        self._is_finishing = False

    async def take(self, events: Sequence[Recorded]) -> None:
        """Fold the next events of the log; waits while enough is ahead of the database."""
        if missing := self._fold.missing(events):
            self._fold.learn(missing, await self._store.states(missing))
        self._fold.take(events)
        await self._park()
        async with self._changed:
            self._changed.notify_all()
            await self._changed.wait_for(self._has_room)

    async def _park(self) -> None:
        """Record what broke a projection as dead letters; all else of these events is written."""
        broken, self._fold.quarantined = self._fold.quarantined, []
        for recorded, reason in broken:
            await self._quarantine_task(recorded.history, recorded.sequence, reason)

    async def settled(self) -> None:
        """Wait until every event added is written."""
        async with self._changed:
            self._is_urgent = True
            self._changed.notify_all()
            await self._changed.wait_for(lambda: not self._fold.count and not self._is_writing)
            self._is_urgent = False

    async def finish(self) -> None:
        """Let `write` end when every event added is written."""
        async with self._changed:
            self._is_finishing = True
            self._changed.notify_all()

    async def write(self) -> None:
        """Write what is added until finished. Raises CheckpointMoved."""
        while True:
            async with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                await self._changed.wait_for(lambda: self._fold.count or self._is_finishing)
                if not self._fold.count:
                    return
                await self._gather()
                self._is_writing = True
            changes = self._fold.drain()
            with span("project", events=changes.events):
                await self._store.apply(changes, before=self.written)
            self.written = changes.after

    async def _gather(self) -> None:
        """Wait briefly for more events, unless there are enough or a caller waits for these."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                await self._changed.wait_for(self._is_enough)

    def _is_enough(self) -> bool:
        is_awaited = self._is_urgent or self._is_finishing
        return is_awaited or self._fold.count >= _ENOUGH_EVENTS or not self._has_room()

    def _has_room(self) -> bool:
        return self._fold.count < _MAX_EVENTS and self._fold.size_bytes < _MAX_BYTES
