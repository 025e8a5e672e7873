import pytest

from tests.kit.servers.machines_api import local_machines


@pytest.fixture(scope="session")
def machines_api(tmp_path_factory):
    with local_machines(tmp_path_factory.mktemp("machines")) as running:
        yield running
