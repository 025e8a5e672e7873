"""Machines APIs of the scheduler's tests, and a scheduler to run on one."""

import json
import sys

import pytest

from tests.kit.servers.machines_api import local_machines
from tests.scheduler.reactor_harness import SLEEP, SchedulerHarness


@pytest.fixture(scope="session")
def machines_api(tmp_path_factory):
    with local_machines(tmp_path_factory.mktemp("machines")) as running:
        yield running


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A Machines API whose every machine sleeps until it is ended."""
    command = json.dumps([sys.executable, "-c", SLEEP])
    with local_machines(tmp_path_factory.mktemp("machines"), WORKER_COMMAND=command) as running:
        yield running


@pytest.fixture
async def harness(api, request):
    place = SchedulerHarness(
        api, request.node.name.replace("_", "-").replace("[", "-").strip("]")[:60]
    )
    yield place
    api.no_faults()
    async with api.client() as http:
        for machine in await place.machines():
            await http.delete(f"/apps/{place.app}/machines/{machine['id']}?force=true")
