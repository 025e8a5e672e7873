import pytest

from tests.support.machines import local_machines


@pytest.fixture(scope="session")
def machines_api(tmp_path_factory):
    with local_machines(tmp_path_factory.mktemp("machines")) as running:
        yield running
