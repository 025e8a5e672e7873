"""Parts for tests of the event log: histories of their own, drafts, and a second reader."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from events import AccountId, Draft, History, Recorded, TaskId, TaskInstructed
from infra.runtime.clock import DraftFactory, utc_now


def new_history() -> History:
    token = secrets.token_hex(8)
    return History(AccountId(f"acc_{token}"), TaskId(f"task_{token}"))


def drafts(*texts: str, by: str = "person:per_1") -> list[Draft[Any]]:
    return DraftFactory(utc_now).drafts([TaskInstructed(text=text) for text in texts], by=by)


def texts(recorded: Sequence[Recorded]) -> list[str]:
    return [r.event.text for r in recorded if isinstance(r.event, TaskInstructed)]


def versions(recorded: Sequence[Recorded]) -> list[int]:
    return [r.version for r in recorded]


class Reader:
    """Collects what a `follow` yields."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Recorded]] = []
        self.until = asyncio.Event()
        self.pause_seconds = 0.0

    @property
    def recorded(self) -> list[Recorded]:
        return [recorded for batch in self.batches for recorded in batch]

    def of(self, history: History) -> list[Recorded]:
        return [r for r in self.recorded if r.history == history]

    async def run(self, feed: AsyncIterator[Sequence[Recorded]]) -> None:
        async for batch in feed:
            self.batches.append(batch)
            await asyncio.sleep(self.pause_seconds)


@asynccontextmanager
async def reading(log: Any, name: str, *, after: int = 0) -> AsyncIterator[Reader]:
    """Follow a log in the background while inside."""
    reader = Reader()
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run(log.follow(name, after=after, until=reader.until)))
        yield reader
        reader.until.set()
