"""A projector process among servers that are full, away or taken: it waits, and never ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest
import redis.asyncio as redis

from events import NOWHERE, History
from infra.log.jetstream import JetStreamLog
from infra.stores.live_channels import state_key
from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint
from tests.kit.run.devices import new_history
from tests.kit.run.history_loop import SUBMITTED, append_events, turn_events
from tests.kit.run.projector_processes import projector
from tests.kit.servers.nats_connections import as_admin
from tests.kit.servers.stack import RealServers


@pytest.fixture
async def log(servers: RealServers) -> AsyncIterator[JetStreamLog[Any]]:
    async with as_admin(servers) as connection:
        yield JetStreamLog[Any](connection)


async def projected(url: str) -> int:
    """The checkpoint, -1 while it cannot be read."""
    with suppress(OSError, asyncpg.PostgresError):
        return await checkpoint(url)
    return -1


async def is_told(client: "redis.Redis", history: History, sequence: int) -> bool:
    with suppress(redis.RedisError):
        return int(await client.hget(state_key(history.task), "sequence") or 0) >= sequence
    return False


@asynccontextmanager
async def all_connections_taken(url: str) -> AsyncIterator[None]:
    """Take every connection Postgres gives, those of superusers too, until the block is left."""
    async with AsyncExitStack() as taken:
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                connection = await asyncpg.connect(url)
                taken.push_async_callback(connection.close)
        yield


async def end_others(url: str) -> None:
    """End every connection to this database but one's own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


async def test_a_postgres_without_connections_stops_the_read_models_only(
    servers: RealServers, fresh_database: str, log: JetStreamLog[Any], client: "redis.Redis"
) -> None:
    history = new_history()
    async with projector(servers, fresh_database) as process:
        head = await append_events(log, history, SUBMITTED)
        await eventually(lambda: projected(fresh_database), until=lambda at: at >= head.sequence)
        async with AsyncExitStack() as full:
            await end_others(fresh_database)
            await full.enter_async_context(all_connections_taken(servers.postgres_url))
            head = await append_events(log, history, *turn_events(1), after=head)
            await eventually(lambda: is_told(client, history, head.sequence))
            assert process.returncode is None
        await eventually(lambda: projected(fresh_database), until=lambda at: at >= head.sequence)
        assert process.returncode is None


async def test_a_full_redis_stops_the_live_loop_only(
    servers: RealServers, fresh_database: str, log: JetStreamLog[Any], client: "redis.Redis"
) -> None:
    history = new_history()
    async with projector(servers, fresh_database) as process:
        head = await append_events(log, history, SUBMITTED)
        await eventually(lambda: is_told(client, history, head.sequence))
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1")
        try:
            for number in range(1, 11):
                head = await append_events(log, history, *turn_events(number), after=head)
            await eventually(
                lambda: projected(fresh_database), until=lambda at: at >= head.sequence
            )
            assert not await is_told(client, history, head.sequence)
            assert process.returncode is None
        finally:
            await client.config_set("maxmemory", "0")
        await eventually(lambda: is_told(client, history, head.sequence))
        assert process.returncode is None


async def test_a_projector_that_starts_without_postgres_and_redis_waits_for_them(
    servers: RealServers, fresh_database: str, log: JetStreamLog[Any], client: "redis.Redis"
) -> None:
    history = new_history()
    head = await append_events(log, history, SUBMITTED)
    async with (
        halted(servers, "postgres") as postgres,
        halted(servers, "redis") as cache,
        projector(servers, fresh_database) as process,
    ):
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 3)
        assert process.returncode is None
        await cache()
        head = await append_events(log, history, *turn_events(1), after=head)
        await eventually(lambda: is_told(client, history, head.sequence))
        await postgres()
        await eventually(lambda: projected(fresh_database), until=lambda at: at >= head.sequence)


async def test_of_two_projectors_one_works_one_waits_and_takes_over(
    servers: RealServers, fresh_database: str, log: JetStreamLog[Any]
) -> None:
    history = new_history()
    head = NOWHERE
    async with projector(servers, fresh_database) as one:
        head = await append_events(log, history, SUBMITTED)
        await eventually(lambda: projected(fresh_database), until=lambda at: at >= head.sequence)
        async with projector(servers, fresh_database) as other:
            for number in range(1, 20):
                head = await append_events(log, history, *turn_events(number), after=head)
            await eventually(
                lambda: projected(fresh_database), until=lambda at: at >= head.sequence
            )
            await end_others(fresh_database)  # whoever is first now, nobody ends
            head = await append_events(log, history, *turn_events(20), after=head)
            await eventually(
                lambda: projected(fresh_database), until=lambda at: at >= head.sequence
            )
            assert (one.returncode, other.returncode) == (None, None)

            one.kill()
            await one.wait()
            head = await append_events(log, history, *turn_events(21), after=head)
            await eventually(
                lambda: projected(fresh_database),
                until=lambda at: at >= head.sequence,
                seconds=10,
            )
            assert other.returncode is None
