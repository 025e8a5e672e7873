"""The live loop on a real Redis: what is told is what is stored, and state only goes forward."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import reduce
from typing import Any, Never

import msgspec
import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from events import (
    NOWHERE,
    Head,
    History,
    Recorded,
    Repository,
    TaskErased,
    TaskFinished,
    TaskInstructed,
    TaskSubmitted,
    event_subject,
    live_subject,
)
from infra.event_log import Unavailable
from infra.fanout import EPHEMERAL, Frame, feed_channel, inbox_channel, state_key, unpack
from infra.jetstream import JetStreamLog, hear, say
from infra.task_state import TaskState, evolve
from services.projector.live import LiveLoop
from tests.support.devices import SCRIBE, new_history
from tests.support.eventually import eventually
from tests.support.in_memory_log import InMemoryLog
from tests.support.nats_connections import as_admin, as_role
from tests.support.outages import halted
from tests.support.stack import RealServers

SUBMITTED = TaskSubmitted(prompt="Mend", repository=Repository("u"), model="m")
DONE = TaskFinished(summary="Done", outcome="branch")
GIANT = int(os.environ.get("GIANT", "20000"))


@pytest.fixture
async def client(servers: RealServers) -> AsyncIterator[redis.Redis]:
    """As services.projector.main makes it."""
    made = redis.Redis.from_url(servers.redis_url, socket_timeout=5, retry=Retry(NoBackoff(), 0))
    yield made
    await made.aclose()


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
    head: Head = await log.append(history, SCRIBE.drafts(facts, by="t"), after=after)
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


async def test_every_event_is_told_as_it_is_stored(client: redis.Redis) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with listening(client, history) as ear, telling(log, client):
        head = await append(log, history, SUBMITTED)
        await append(log, history, TaskInstructed(text="Möre"), DONE, after=head)
        await eventually(lambda: len(ear.inbox) == 3)

    assert ear.frames == [Frame(r.version, r.body) for r in log.recorded]
    phases = [msgspec.json.decode(line, type=TaskState).phase for line in ear.inbox]
    assert phases == ["queued", "queued", "finished"]


async def test_the_state_in_redis_is_the_fold_of_the_history(client: redis.Redis) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with telling(log, client):
        await append(log, history, SUBMITTED, TaskInstructed(text="More"), DONE)
        state = await reached(client, history, 3)

    assert state == reduce(evolve, log.recorded, None)
    assert await client.hget(state_key(history.task), "version") == b"3"


async def test_a_new_loop_tells_what_redis_has_not_seen_and_nothing_else(
    client: redis.Redis,
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with telling(log, client):
        head = await append(log, history, SUBMITTED, TaskInstructed(text="One"))
        await reached(client, history, 2)
    await append(log, history, TaskInstructed(text="Two"), DONE, after=head)
    async with listening(client, history) as ear, telling(log, client):
        state = await reached(client, history, 4)
        await eventually(lambda: len(ear.frames) == 2)

    assert ear.versions == [3, 4]
    assert state == reduce(evolve, log.recorded, None)


async def test_an_older_state_never_replaces_a_newer(client: redis.Redis) -> None:
    """Two loops at once, as in a deployment: the slower one changes nothing."""
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with listening(client, history) as ear, telling(log, client), telling(log, client):
        head = NOWHERE
        for number in range(30):
            fact = SUBMITTED if not number else TaskInstructed(text=str(number))
            head = await append(log, history, fact, after=head)
        await reached(client, history, 30)
        await eventually(lambda: len(ear.frames) == 30)

    assert ear.versions == list(range(1, 31))


async def test_an_emptied_redis_goes_on_from_the_next_event(client: redis.Redis) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with listening(client, history) as ear, telling(log, client):
        head = await append(log, history, SUBMITTED, TaskInstructed(text="More"))
        await reached(client, history, 2)
        await client.flushall()
        await append(log, history, DONE, after=head)
        state = await reached(client, history, 3)
        await eventually(lambda: len(ear.frames) == 3)

    assert state == reduce(evolve, log.recorded, None)
    assert ear.versions == [1, 2, 3]


async def test_a_killed_redis_is_waited_for(servers: RealServers, client: redis.Redis) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with telling(log, client):
        head = await append(log, history, SUBMITTED)
        await reached(client, history, 1)
        async with asyncio.TaskGroup() as group:
            group.create_task(servers.kill("redis"))
            for number in range(40):
                head = await append(log, history, TaskInstructed(text=str(number)), after=head)
                await asyncio.sleep(0.01)  # so that some of it happens before, some after
        state = await reached(client, history, 41)

    assert state == reduce(evolve, log.recorded, None)


async def test_what_happens_while_redis_is_away_is_told_in_order_afterwards(
    servers: RealServers, client: redis.Redis
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with telling(log, client):
        head = await append(log, history, SUBMITTED)
        await reached(client, history, 1)
        async with halted(servers, "redis") as resume:
            await append(log, history, TaskInstructed(text="One"), DONE, after=head)
            await resume()
        state = await reached(client, history, 3)

    assert state.phase == "finished"


class WatchedLog(InMemoryLog[Any]):
    """Counts the readings of histories, makes the first few fail, and holds them up if told to."""

    def __init__(self, *, failures: int = 0) -> None:
        super().__init__()
        self.readings = 0
        self.failures = failures
        self.may_read = asyncio.Event()
        self.may_read.set()

    async def pages(
        self, history: History, *, after: int | Head = 0
    ) -> AsyncGenerator[Sequence[Recorded], None]:
        self.readings += 1
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        await self.may_read.wait()
        async for page in super().pages(history, after=after):
            yield page


async def begun_long_ago(log: InMemoryLog[Any]) -> tuple[History, Head]:
    """A history whose events stand too far back to be told again."""
    history = new_history()
    head = await append(log, history, SUBMITTED)
    await append(log, new_history(), SUBMITTED, *[TaskInstructed(text="x")] * 300)
    return history, head


async def test_a_log_that_is_away_for_a_read_is_asked_again(client: redis.Redis) -> None:
    log = WatchedLog(failures=2)
    history, head = await begun_long_ago(log)
    async with telling(log, client):
        await append(log, history, DONE, after=head)
        state = await reached(client, history, 2)

    assert log.failures == 0
    assert state.phase == "finished"


async def test_while_a_history_is_read_the_events_of_others_are_told(client: redis.Redis) -> None:
    log = WatchedLog()
    history, head = await begun_long_ago(log)
    other = new_history()
    log.may_read.clear()
    async with listening(client, history) as ear, telling(log, client):
        for number in range(5):
            head = await append(log, history, TaskInstructed(text=str(number)), after=head)
        await append(log, other, SUBMITTED, DONE)
        await reached(client, other, 2)
        assert ear.frames == []
        log.may_read.set()
        state = await reached(client, history, 6)
        await eventually(lambda: len(ear.frames) == 5)

    assert ear.versions == [2, 3, 4, 5, 6]
    assert state == reduce(evolve, await log.read(history), None)


async def test_what_redis_knows_is_not_read_again(client: redis.Redis) -> None:
    log = WatchedLog()
    history = new_history()
    async with telling(log, client):
        head = await append(log, history, SUBMITTED, TaskInstructed(text="One"))
        await reached(client, history, 2)
    async with telling(log, client):
        await append(log, history, DONE, after=head)
        state = await reached(client, history, 3)

    assert log.readings == 0
    assert state == reduce(evolve, log.recorded, None)


async def test_a_redis_that_has_lost_what_it_was_told_last_is_told_the_truth(
    client: redis.Redis,
) -> None:
    """As after a failover to a replica that was behind."""
    log = WatchedLog()
    history = new_history()
    async with telling(log, client):
        head = await append(log, history, SUBMITTED)
        await reached(client, history, 1)
        kept = await client.hgetall(state_key(history.task))
    head = await append(log, history, TaskInstructed(text="One"), after=head)
    async with telling(log, client) as loop:
        await reached(client, history, 2)
        loop._at_hand.clear()
        await client.hset(state_key(history.task), mapping=kept)
        await append(log, history, DONE, after=head)
        state = await reached(client, history, 3)

    assert state == reduce(evolve, log.recorded, None)


async def test_an_event_out_of_its_historys_line_is_not_told(client: redis.Redis) -> None:
    log = WatchedLog()
    history = new_history()
    async with listening(client, history) as ear, telling(log, client):
        head = await append(log, history, SUBMITTED)
        await append(log, history, TaskInstructed(text="One"), after=Head(6, head.sequence))
        await append(log, history, DONE, after=Head(1, head.sequence + 1))
        await reached(client, history, 2)
        await eventually(lambda: len(ear.frames) == 2)

    assert ear.versions == [1, 2]


async def test_what_is_left_of_an_erased_task_is_told_though_it_has_no_state(
    client: redis.Redis,
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with listening(client, history) as ear, telling(log, client):
        await append(log, history, TaskErased(reason="asked"))
        await eventually(lambda: len(ear.frames) == 1)

    assert await state_of(client, history) is None
    assert ear.inbox == []


async def test_an_erased_task_has_no_state_any_more(client: redis.Redis) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with listening(client, history) as ear, telling(log, client):
        head = await append(log, history, SUBMITTED)
        await eventually(lambda: state_of(client, history))
        await append(log, history, TaskErased(reason="asked"), after=head)
        await eventually(lambda: len(ear.frames) == 2)

    assert await state_of(client, history) is None
    assert not await client.exists(state_key(history.task))
    assert len(ear.inbox) == 1


async def test_passing_items_are_relayed_from_nats(
    servers: RealServers, client: redis.Redis
) -> None:
    history = new_history()
    until = asyncio.Event()
    async with (
        as_role(servers, "projector") as nats,
        as_admin(servers) as worker,
        listening(client, history) as ear,
        asyncio.TaskGroup() as group,
    ):
        loop = LiveLoop(JetStreamLog[Never](nats), client)
        group.create_task(loop.relay(hear(nats, "live.>", until=until)))

        async def heard() -> bool:
            await say(worker, live_subject(history), b'{"t":"eph"}')
            return bool(ear.frames)

        await eventually(heard)
        until.set()

    assert ear.frames[0] == Frame(EPHEMERAL, b'{"t":"eph"}')


async def test_passing_items_are_dropped_while_redis_is_away(
    servers: RealServers, client: redis.Redis
) -> None:
    history = new_history()
    loop = LiveLoop(InMemoryLog[Any](), client)  # type: ignore[arg-type]

    async def items() -> AsyncIterator[tuple[History, bytes]]:
        yield history, b"lost"
        await resume()
        yield history, b"heard"

    async with halted(servers, "redis") as resume:
        await loop.relay(items())
    async with listening(client, history) as ear:
        await loop.relay(_one(history))
        await eventually(lambda: ear.frames == [Frame(EPHEMERAL, b"news")])


async def _one(history: History) -> AsyncIterator[tuple[History, bytes]]:
    yield history, b"news"


async def test_a_giant_history_full_of_nonsense_holds_up_nobody(
    servers: RealServers, client: redis.Redis
) -> None:
    """Nothing in Redis, and right behind the start a history that takes seconds to read."""
    giant, history = new_history(), new_history()
    async with as_admin(servers) as admin, as_role(servers, "projector") as nats:
        writer = JetStreamLog[Any](admin)
        head = await append(writer, giant, SUBMITTED)
        for _ in range(GIANT // 1000):
            texts = [TaskInstructed(text=str(number)) for number in range(1000)]
            head = await append(writer, giant, *texts, after=head)
        forged = (await writer.read(giant, after=head.version - 1))[-1].body
        nonsense = forged.replace(b'"version":', b'"version":1')
        for _ in range(200):
            await admin.request(event_subject(giant), nonsense, within_seconds=10)
        async with telling(JetStreamLog[Never](nats), client):
            await append(writer, giant, DONE, after=head)
            await append(writer, history, SUBMITTED, DONE)
            assert (await reached(client, history, 2)).phase == "finished"
            state = await reached(client, giant, head.version + 1, seconds=60)

    assert state.phase == "finished"


async def test_it_follows_the_real_log_in_the_projectors_own_role(
    servers: RealServers, client: redis.Redis
) -> None:
    history = new_history()
    async with as_admin(servers) as admin, as_role(servers, "projector") as nats:
        writer = JetStreamLog[Any](admin)
        async with telling(JetStreamLog[Never](nats), client):
            head = await append(writer, history, SUBMITTED)
            await reached(client, history, 1)
            await append(writer, history, DONE, after=head)
            state = await reached(client, history, 2)

    assert state.phase == "finished"
