"""The stack of the web app's tests: theirs alone, as they leave tasks that wait for a person."""

from collections.abc import Iterator

import pytest

from tests.kit.fakes.push_services import PushWorld, push_world
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import OwnThread, RealStack, real_stack


@pytest.fixture(scope="session")
def push_services() -> Iterator[PushWorld]:
    """The push services that the stack sends to."""
    with server_directory() as directory:
        thread = OwnThread(push_world(directory))
        try:
            yield thread.open()
        finally:
            thread.close()


@pytest.fixture(scope="session")
def stack(push_services: PushWorld) -> Iterator[RealStack]:
    """The whole of Errand, one for all of these tests."""
    push = {name.upper(): value for name, value in push_services.variables.items()}
    with (
        server_directory() as directory,
        real_stack(directory, environment={"HEARTBEAT_SILENCE_SECONDS": "10", **push}) as running,
    ):
        yield running
