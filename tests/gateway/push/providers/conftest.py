"""Push services whose clock the test moves, and the ways to them; no gateway."""

import pytest

from services.gateway.push.assembly import carried
from tests.kit.fakes.push_services import MovableClock, push_world


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
async def outside(tmp_path, clock):
    """Push services whose clock the test moves; and no gateway."""
    async with push_world(tmp_path, clock) as made:
        yield made


@pytest.fixture
async def carriers(outside, clock):
    async with carried(outside.settings, clock) as made:
        yield made


@pytest.fixture
def browser(outside, carriers):
    return outside.browser(carriers.web.vapid.public_key)
