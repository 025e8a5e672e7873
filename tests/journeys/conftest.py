"""All journeys share one whole stack; each uses a phone, a repository and a task of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.kit.run.phone import Phone, signed_in
from tests.kit.servers.stack import RealStack


@pytest.fixture
async def phone(stack: RealStack) -> AsyncIterator[Phone]:
    device = await signed_in(stack)
    async with device.gateway:
        yield device


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "journey" in item.path.parts:
            item.add_marker(pytest.mark.journey)
