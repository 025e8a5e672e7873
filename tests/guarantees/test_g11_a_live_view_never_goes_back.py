"""G11: who watches sees each version once and in order, whatever becomes of Redis and its tellers.

Two live loops tell the same log, as in a deployment, and one of them is stopped and starts again;
Redis is emptied and killed; the log changes hands; somebody publishes old news and nonsense. What
a gateway's hub gives its phones, and the state in Redis, only ever go forward.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import reduce
from itertools import pairwise
from typing import Any, Never

import msgspec
import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from events import NOWHERE, Head, History, Repository, TaskInstructed, TaskSubmitted
from events.protocol.task_state import TaskState, evolve
from infra.log.jetstream import JetStreamLog
from infra.runtime.clock import DraftFactory, utc_now
from infra.stores.live_channels import Frame, feed_channel, pack, state_key
from services.gateway.stream.hub import Hub
from services.gateway.stream.redis_connection import RedisReader
from services.projector.live.loop import LiveLoop
from tests.kit.build.event_logs import new_history
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.laws.linear_histories import PATIENCE_SECONDS
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import Folded
from tests.kit.servers.cluster import LogPlace
from tests.kit.servers.nats_connections import as_role
from tests.kit.servers.stack import RealServers

ENOUGH = 25
DRAFT_FACTORY = DraftFactory(utc_now)
SUBMITTED = TaskSubmitted(prompt="Fix", repository=Repository("u"), model="m")


class Scene:
    """A log, a Redis, and one task that is written to without a pause."""

    def __init__(self, place: LogPlace, servers: RealServers, client: redis.Redis) -> None:
        self.place = place
        self.servers = servers
        self.client = client
        self.history: History = new_history()
        self.head = NOWHERE
        self.stopping = asyncio.Event()
        self._has_ended = asyncio.Event()

    async def write(self, log: JetStreamLog[Any]) -> None:
        self.head = await self._append(log, SUBMITTED)
        while not self.stopping.is_set():
            facts = [TaskInstructed(text="On")] * (1 + self.head.version % 3)
            self.head = await self._append(log, *facts)
        self._has_ended.set()

    async def end(self) -> None:
        """Have no more written; `head` is the last then."""
        self.stopping.set()
        await self._has_ended.wait()

    async def _append(self, log: JetStreamLog[Any], *facts: Any) -> Head:
        return await log.append(self.history, DRAFT_FACTORY.drafts(facts, by="t"), after=self.head)

    async def more(self) -> None:
        """Wait until some more is written."""
        wanted = self.head.version + ENOUGH
        await eventually(lambda: self.head.version >= wanted, seconds=60)

    async def old_news(self) -> None:
        """Publish what was told long ago, what was never said, and what is no frame."""
        channel = feed_channel(self.history)
        for message in (pack(Frame(1, b"old")), pack(Frame(10**6, b"never")), b"junk"):
            await self.client.publish(channel, message)


@pytest.fixture
async def scene(servers: RealServers, log_place: LogPlace) -> AsyncIterator[Scene]:
    client = redis.Redis.from_url(servers.redis_url, socket_timeout=5, retry=Retry(NoBackoff(), 0))
    yield Scene(log_place, servers, client)
    await client.aclose()


@asynccontextmanager
async def writing(scene: Scene) -> AsyncIterator[JetStreamLog[Any]]:
    async with as_role(scene.place, "gateway") as connection, asyncio.TaskGroup() as group:
        log = JetStreamLog[Any](connection, deadline_seconds=PATIENCE_SECONDS)
        group.create_task(scene.write(log))
        yield log
        scene.stopping.set()


@asynccontextmanager
async def telling(scene: Scene) -> AsyncIterator[None]:
    """A live loop, as services.projector.main makes it."""
    stopping = asyncio.Event()
    async with as_role(scene.place, "projector") as nats, asyncio.TaskGroup() as group:
        log = JetStreamLog[Never](nats, deadline_seconds=PATIENCE_SECONDS)
        group.create_task(LiveLoop(log, scene.client).run(stopping))
        yield
        stopping.set()


@asynccontextmanager
async def watching(scene: Scene, log: JetStreamLog[Any]) -> AsyncIterator[list[tuple[int, bytes]]]:
    """The states a gateway's hub gives a phone that watches from the first event on."""
    channels, lists = RedisReader(scene.servers.redis_url), Folded(InMemoryLog())
    hub, stopping = Hub(log, channels, lists, check_seconds=2), asyncio.Event()
    seen: list[tuple[int, bytes]] = []

    async def watch() -> None:
        async for page in hub.events(scene.history, 0):
            seen.extend(page)

    async with asyncio.TaskGroup() as group:
        group.create_task(hub.run(stopping))
        phone = group.create_task(watch())
        yield seen
        phone.cancel()
        stopping.set()


async def test_who_watches_sees_every_version_once_and_in_order(scene: Scene) -> None:
    async with writing(scene) as log, watching(scene, log) as seen, telling(scene):
        async with telling(scene):
            await scene.more()
            await scene.old_news()
            await scene.client.flushall()
            await scene.more()
        await scene.servers.kill("redis")
        await scene.more()
        async with telling(scene):
            await scene.old_news()
            await scene.place.step_down()
            await scene.more()
        await scene.end()
        await eventually(lambda: seen and seen[-1][0] >= scene.head.version, seconds=60)
        stored = await log.read(scene.history)

    assert seen == [(recorded.version, recorded.body) for recorded in stored]


async def emptied(scene: Scene) -> None:
    for _ in range(3):
        await scene.client.flushall()
        await scene.more()


async def killed(scene: Scene) -> None:
    await scene.servers.kill("redis")
    await scene.more()


async def told_twice(scene: Scene) -> None:
    """By a second loop, which begins with what was told before, and by a third."""
    for _ in range(2):
        async with telling(scene):
            await scene.more()


@pytest.mark.parametrize("befalls", [emptied, killed, told_twice])
async def test_the_state_in_redis_never_goes_back(
    scene: Scene, befalls: Callable[[Scene], Awaitable[None]]
) -> None:
    sights: list[TaskState] = []
    is_over = asyncio.Event()  # redis-py may make a lost connection of a cancellation

    async def look() -> None:
        while not is_over.is_set():
            try:
                content = await scene.client.hget(state_key(scene.history.task), "state")
            except (redis.RedisError, OSError):
                content = None
            if content:
                sights.append(msgspec.json.decode(content, type=TaskState))
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as group, writing(scene) as log, telling(scene):
        group.create_task(look())
        await scene.more()
        await befalls(scene)
        # Events sent together give one state: so many are written that there are enough to compare.
        await eventually(lambda: len({state.version for state in sights}) > 10, seconds=60)
        await scene.end()
        await eventually(lambda: sights and sights[-1].version >= scene.head.version, seconds=60)
        is_over.set()
        stored = await log.read(scene.history)

    versions = [state.version for state in sights]
    assert all(one <= other for one, other in pairwise(versions))
    assert len(set(versions)) > 10
    assert sights[-1] == reduce(evolve, stored, None)
