"""One stack for all attacks; a lost worker is not replaced while a test looks."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.kit.run.phone import Phone, signed_in
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import RealStack, real_stack

PATIENT = {"RETRY_BACKOFF_SECONDS": "120,120,120", "TASKS_PER_ACCOUNT": "40"}


@pytest.fixture(scope="session")
def attacked() -> Iterator[RealStack]:
    """The whole of Errand, for attacks alone."""
    with (
        server_directory() as directory,
        real_stack(directory, environment=PATIENT) as running,
    ):
        yield running


@pytest.fixture
async def phone(attacked: RealStack) -> AsyncIterator[Phone]:
    """The attacker's account: its worker is in the wrong hands."""
    device = await signed_in(attacked)
    async with device.gateway:
        yield device


@pytest.fixture
async def victim(attacked: RealStack) -> AsyncIterator[Phone]:
    """Another account."""
    device = await signed_in(attacked, account="victim")
    async with device.gateway:
        yield device
