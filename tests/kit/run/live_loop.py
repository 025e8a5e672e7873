"""A live loop at work, an ear at what it tells, and the state it keeps in Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import redis.asyncio as redis

from events import (
    NOWHERE,
    Head,
    History,
    Repository,
    TaskFinished,
    TaskSubmitted,
)
from events.protocol.task_state import TaskState
from infra.stores.live_channels import Frame, feed_channel, inbox_channel, state_key, unpack
from services.projector.live.loop import LiveLoop
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import DRAFT_FACTORY

SUBMITTED = TaskSubmitted(prompt="Fix", repository=Repository("u"), model="m")
DONE = TaskFinished(summary="Done", outcome="branch")


@asynccontextmanager
async def telling(log: Any, client: redis.Redis) -> AsyncIterator[LiveLoop]:
    loop = LiveLoop(log, client)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(loop.run(stopping))
        yield loop
        stopping.set()


class Ear:
    """Hears a task's feed and its account's inbox."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.inbox: list[bytes] = []

    @property
    def versions(self) -> list[int]:
        return [frame.version for frame in self.frames]

    @property
    def line(self) -> TaskState:
        """The inbox's last."""
        return msgspec.json.decode(self.inbox[-1], type=TaskState)

    async def listen(self, hearing: Any, feed: bytes) -> None:
        async for message in hearing.listen():
            if message["type"] == "message":
                if message["channel"] == feed:
                    self.frames.append(unpack(message["data"]))
                else:
                    self.inbox.append(message["data"])


@asynccontextmanager
async def listening(client: redis.Redis, history: History) -> AsyncIterator[Ear]:
    ear = Ear()
    feed = feed_channel(history)
    async with client.pubsub() as hearing, asyncio.TaskGroup() as group:
        await hearing.subscribe(feed, inbox_channel(history.account))
        task = group.create_task(ear.listen(hearing, feed.encode()))
        yield ear
        task.cancel()


async def append(log: Any, history: History, *facts: Any, after: Head = NOWHERE) -> Head:
    head: Head = await log.append(history, DRAFT_FACTORY.drafts(facts, by="t"), after=after)
    return head


async def state_of(client: redis.Redis, history: History) -> TaskState | None:
    content = await client.hget(state_key(history.task), "state")
    return msgspec.json.decode(content, type=TaskState) if content else None


async def reached(
    client: redis.Redis, history: History, version: int, *, seconds: float = 20
) -> TaskState:
    async def look() -> TaskState | None:
        try:
            return await state_of(client, history)
        except redis.RedisError:
            return None

    state = await eventually(
        look, until=lambda seen: seen is not None and seen.version >= version, seconds=seconds
    )
    assert state is not None
    return state
