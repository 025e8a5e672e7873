"""Background tasks that outlive their request but not the process.

On shutdown they may finish within a grace period; one that fails is a bug and takes
the process down.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


class BackgroundTasks:
    """Starts background tasks. Created by `background`."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._running: set[asyncio.Task[None]] = set()
        self._endless: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task."""
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Start an endless task: it is cancelled on shutdown."""
        self._endless.append(self._group.create_task(work))

    async def drain(self, grace_seconds: float) -> None:
        """Wait for running tasks, and cancel those that take longer."""
        late: set[asyncio.Task[None]] = set()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace_seconds)
        for task in (*late, *self._endless):
            task.cancel()


@asynccontextmanager
async def background(grace_seconds: float) -> AsyncIterator[BackgroundTasks]:
    """Run tasks beside the block, and for a grace period after it."""
    async with asyncio.TaskGroup() as group:
        made = BackgroundTasks(group)
        yield made
        await made.drain(grace_seconds)
