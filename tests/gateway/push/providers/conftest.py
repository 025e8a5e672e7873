"""Push services whose clock the test moves, and the ways to them; no gateway."""

import pytest

from services.gateway.push.assembly import open_providers
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
async def providers(outside, clock):
    async with open_providers(outside.settings, clock) as made:
        yield made


@pytest.fixture
def browser(outside, providers):
    return outside.browser(providers.web.vapid.public_key)
