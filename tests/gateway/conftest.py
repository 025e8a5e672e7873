"""A gateway for each test, and people who are signed in to it."""

from collections.abc import AsyncIterator
from importlib.resources import files

import asyncpg
import pytest

from infra.stores.postgres.migrations import migrate
from tests.kit.run.gateway import Person, World, a_world


@pytest.fixture
async def world(servers, fresh_database) -> AsyncIterator[World]:
    async with a_world(servers, fresh_database) as made:
        yield made


@pytest.fixture
async def ada(world) -> Person:
    return await world.person("ada")


@pytest.fixture
async def bob(world) -> Person:
    return await world.person("bob")


@pytest.fixture
async def read_model(fresh_database):
    """The projector's schema, empty, and a connection to it."""
    connection = await asyncpg.connect(fresh_database)
    await migrate(connection, "read", files("services.projector") / "schema")
    yield connection
    await connection.close()
