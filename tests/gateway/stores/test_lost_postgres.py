"""Postgres ends connections under the gateway's queries: each is a 503, and nothing else."""

import asyncio
from importlib.resources import files

import asyncpg
import pytest

from infra.stores.postgres.migrations import migrate
from services.gateway.problems import Refused
from services.gateway.stores.database import create_pool, within


@pytest.fixture
async def database(fresh_database):
    connection = await asyncpg.connect(fresh_database)
    await migrate(connection, "accounts", files("services.gateway.stores.schema"))
    await connection.close()
    return fresh_database


async def test_connections_that_end_in_the_middle_of_a_transaction_are_refusals(database):
    killer = await asyncpg.connect(database)
    outcomes = []

    async def query(pool):
        try:
            async with within(pool, "acc_1") as connection:
                for _ in range(20):
                    await connection.fetchval("SELECT count(*) FROM generate_series(1, 20000)")
            outcomes.append("done")
        except Refused as refused:
            outcomes.append(refused.problem.status)

    async with create_pool(database) as pool:
        while outcomes.count(503) < 30:
            async with asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(query(pool))
                for _ in range(3):
                    await killer.fetch(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
    await killer.close()
    assert set(outcomes) <= {"done", 503}


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2)"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.TooManyConnectionsError("too many clients"),
    ],
)
async def test_what_the_driver_raises_of_a_lost_server_is_a_503(database, error):
    async with create_pool(database) as pool:
        with pytest.raises(Refused) as refused:
            async with within(pool, "acc_1"):
                raise error
    assert refused.value.problem.status == 503
