"""Every fault test uses a phone of its own on the session's stack."""

from collections.abc import AsyncIterator

import pytest

from tests.kit.run.phone import Phone, signed_in
from tests.kit.servers.stack import RealStack


@pytest.fixture
async def phone(stack: RealStack) -> AsyncIterator[Phone]:
    device = await signed_in(stack)
    async with device.gateway:
        yield device
