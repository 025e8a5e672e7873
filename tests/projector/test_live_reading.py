"""Reads of the live loop, and their order: no task waits for the history of another."""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from functools import reduce
from typing import Any, Never

import redis.asyncio as redis

from events import (
    Head,
    History,
    Recorded,
    TaskInstructed,
    event_subject,
)
from events.protocol.task_state import evolve
from infra.log.event_log import Unavailable
from infra.log.jetstream import JetStreamLog
from infra.stores.live_channels import state_key
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import new_history
from tests.kit.run.live_loop import DONE, SUBMITTED, append, listening, reached, telling
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.stack import RealServers

GIANT = int(os.environ.get("GIANT", "19000"))


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
        loop._cached.clear()
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
