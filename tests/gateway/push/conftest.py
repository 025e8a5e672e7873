"""Push services beside a gateway."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.conftest import World, a_world
from tests.support.push import PushWorld, push_world


@pytest.fixture
async def outside(tmp_path) -> AsyncIterator[PushWorld]:
    """The push services of the internet."""
    async with push_world(tmp_path) as made:
        yield made


@pytest.fixture
async def world(servers, fresh_database, outside) -> AsyncIterator[World]:
    """A gateway that may push through them."""
    async with a_world(servers, fresh_database, **outside.variables) as made:
        yield made
