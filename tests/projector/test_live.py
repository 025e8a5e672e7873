"""The live loop on a real Redis: it publishes what is stored, and state only goes forward."""

import asyncio
from collections.abc import AsyncIterator
from functools import reduce
from typing import Any, Never

import msgspec
import redis.asyncio as redis

from events import (
    NOWHERE,
    History,
    TaskErased,
    TaskInstructed,
    live_subject,
)
from events.protocol.task_state import TaskState, evolve
from infra.log.jetstream import JetStreamLog, publish_live, subscribe_live
from infra.stores.live_channels import EPHEMERAL, Frame, state_key
from services.projector.live.loop import LiveLoop
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import new_history
from tests.kit.run.live_loop import DONE, SUBMITTED, append, listening, reached, state_of, telling
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.stack import RealServers


async def test_every_event_is_told_as_it_is_stored(client: redis.Redis) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with listening(client, history) as ear, telling(log, client):
        head = await append(log, history, SUBMITTED)
        await append(log, history, TaskInstructed(text="Möre"), DONE, after=head)
        await eventually(lambda: ear.inbox and ear.line.version == 3)

    assert ear.frames == [Frame(r.version, r.body) for r in log.recorded]
    lines = [msgspec.json.decode(line, type=TaskState) for line in ear.inbox]
    assert [line.version for line in lines] == sorted({line.version for line in lines})
    assert lines == [reduce(evolve, log.recorded[: line.version], None) for line in lines]


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
        group.create_task(loop.relay(subscribe_live(nats, "live.>", until=until)))

        async def heard() -> bool:
            await publish_live(worker, live_subject(history), b'{"t":"eph"}')
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
