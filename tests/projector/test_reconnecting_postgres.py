"""The projector's one connection to Postgres: whatever its beginning meets, none is left behind."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest

from infra.stores.postgres.errors import PostgresUnavailable
from infra.stores.postgres.reconnecting import ReconnectingPostgres
from tests.kit.probe.eventually import eventually


@pytest.fixture
async def watcher(fresh_database):
    connection = await asyncpg.connect(fresh_database)
    yield connection
    await connection.close()


async def others(watcher):
    return await watcher.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@asynccontextmanager
async def linked(url, begin):
    link = ReconnectingPostgres(url, begin)
    try:
        yield link
    finally:
        await link.close()


@pytest.mark.parametrize(
    ("trouble", "seen_as"),
    [
        (asyncpg.LockNotAvailableError("locked"), PostgresUnavailable),
        (ConnectionResetError("reset"), PostgresUnavailable),
        (asyncpg.UndefinedTableError("no such table"), asyncpg.UndefinedTableError),
        (RuntimeError("a bug"), RuntimeError),
    ],
)
async def test_a_beginning_that_fails_leaves_no_connection_and_the_next_begins_again(
    fresh_database, watcher, trouble, seen_as
):
    troubles = [trouble]

    async def begin(_connection):
        if troubles:
            raise troubles.pop()

    async with linked(fresh_database, begin) as link:
        with pytest.raises(seen_as):
            await link.attempt(lambda connection: connection.fetchval("SELECT 1"))
        await eventually(lambda: others(watcher), until=lambda count: count == 0)
        assert await link.attempt(lambda connection: connection.fetchval("SELECT 1")) == 1
        assert await others(watcher) == 1


async def test_a_beginning_that_is_cancelled_leaves_no_connection(fresh_database, watcher):
    has_begun = asyncio.Event()

    async def begin(_connection):
        has_begun.set()
        await asyncio.Event().wait()

    async with linked(fresh_database, begin) as link, asyncio.TaskGroup() as group:
        waiting = group.create_task(
            link.attempt(lambda connection: connection.fetchval("SELECT 1"))
        )
        await has_begun.wait()
        assert await others(watcher) == 1
        waiting.cancel()
    await eventually(lambda: others(watcher), until=lambda count: count == 0)
