"""Presence, from this process's devices and, over Redis, from other processes'."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from events import PersonId, TaskId
from infra.runtime.clock import utc_now
from services.gateway.stream.presence import KEPT_SECONDS, DeviceKey, DeviceView, Presence
from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import new_history
from tests.kit.servers.stack import RealServers


class Gateways:
    """Two processes' presence on one Redis, and a clock to set."""

    def __init__(self, client: redis.Redis) -> None:
        self.later = timedelta()
        self.here, self.there = Presence(client, self.now), Presence(client, self.now)

    def now(self) -> datetime:
        return utc_now() + self.later


@asynccontextmanager
async def gateways(servers: RealServers) -> AsyncIterator[Gateways]:
    client = redis.Redis.from_url(servers.redis_url, retry=Retry(NoBackoff(), 0))
    made, stopping = Gateways(client), asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(made.here.run(stopping))
            group.create_task(made.there.run(stopping))
            yield made
            stopping.set()
    finally:
        await client.aclose()


def somebody() -> tuple[PersonId, TaskId]:
    task = new_history().task
    return PersonId(f"per_{task}"), task


async def test_a_person_looks_at_what_a_device_shows_as_far_as_it_was_seen(
    servers: RealServers,
) -> None:
    person, task = somebody()
    async with gateways(servers) as two:
        assert not await two.here.is_looking(person, task, 1)
        two.here.keep(
            DeviceKey(person, "phone"), DeviceView(is_visible=True, focus=task, version=7)
        )

        assert await two.here.is_looking(person, task, 7)
        assert not await two.here.is_looking(person, task, 8)
        assert not await two.here.is_looking(person, somebody()[1], 1)
        assert not await two.here.is_looking(somebody()[0], task, 1)


async def test_an_open_socket_alone_is_no_look(servers: RealServers) -> None:
    person, task = somebody()
    async with gateways(servers) as two:
        two.here.keep(
            DeviceKey(person, "phone"), DeviceView(is_visible=False, focus=task, version=7)
        )

        assert not await two.here.is_looking(person, task, 7)


async def test_other_gateways_know_until_the_device_is_gone(servers: RealServers) -> None:
    person, task = somebody()
    async with gateways(servers) as two:
        two.here.keep(
            DeviceKey(person, "phone"), DeviceView(is_visible=True, focus=task, version=7)
        )
        await eventually(lambda: two.there.is_looking(person, task, 7))
        two.here.forget(DeviceKey(person, "phone"))

        async def gone() -> bool:
            return not await two.there.is_looking(person, task, 7)

        await eventually(gone)


async def test_a_look_that_nobody_repeats_is_forgotten(servers: RealServers) -> None:
    person, task = somebody()
    async with gateways(servers) as two:
        two.here.keep(
            DeviceKey(person, "phone"), DeviceView(is_visible=True, focus=task, version=7)
        )
        await eventually(lambda: two.there.is_looking(person, task, 7))
        two.later = timedelta(seconds=KEPT_SECONDS + 1)

        assert not await two.there.is_looking(person, task, 7)


async def test_without_redis_the_own_devices_are_known(servers: RealServers) -> None:
    person, task = somebody()
    async with gateways(servers) as two, halted(servers, "redis") as resume:
        two.here.keep(
            DeviceKey(person, "phone"), DeviceView(is_visible=True, focus=task, version=7)
        )

        assert await two.here.is_looking(person, task, 7)
        assert not await two.there.is_looking(person, task, 7)
        await resume()
        two.here.keep(
            DeviceKey(person, "phone"), DeviceView(is_visible=True, focus=task, version=8)
        )
        await eventually(lambda: two.there.is_looking(person, task, 8))
