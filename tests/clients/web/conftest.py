"""The stack of the web app's tests: theirs alone, as they leave tasks that wait for a person."""

from collections.abc import Iterator

import pytest

from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import RealStack, real_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[RealStack]:
    """The whole of Errand, one for all of these tests."""
    with (
        server_directory() as directory,
        real_stack(directory, environment={"HEARTBEAT_SILENCE_SECONDS": "10"}) as running,
    ):
        yield running
