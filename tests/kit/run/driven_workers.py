"""Workers at work on a task of `Bench`, and the calls their models make."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.worker.loop import drive
from tests.kit.fakes.worker_world import Bench
from tests.kit.laws.replays import assert_replays
from tests.kit.probe.eventually import eventually

SUBMIT = ("c9", "submit", {"summary": "fixed", "title": "Fix it", "body": "by hand"})
WRITE = ("c1", "write", {"path": "a.py", "content": "print()\n"})
SLOW = ("c1", "bash", {"command": "sleep"})
SLOW_TOO = ("c2", "bash", {"command": "sleep"})


async def driven(bench: Bench, number: int = 1, *, seconds: float = 10, **options: Any) -> None:
    """Let a worker work until it rests; a replay of what it wrote finds no difference."""
    history = bench.task_history(number)
    async with asyncio.timeout(seconds):
        await drive(history, bench.context(), stopping=bench.stopping, **options)
    assert_replays(history.events)


@asynccontextmanager
async def driving(bench: Bench, number: int = 1) -> AsyncIterator[None]:
    """A worker at work while inside; it must come to rest by itself."""
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(driven(bench, number))
        yield


async def until(bench: Bench, kind: type[Any], count: int = 1) -> None:
    """Wait for so many facts of a kind."""
    await eventually(lambda: len(bench.facts(kind)) >= count)


def last_words(bench: Bench) -> list[dict[str, Any]]:
    """The content of the last message the model was sent."""
    content: list[dict[str, Any]] = bench.model.model_requests[-1].messages[-1]["content"]
    return content
