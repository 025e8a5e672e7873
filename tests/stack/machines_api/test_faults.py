import httpx
import pytest

from tests.kit.probe.eventually import eventually
from tests.kit.servers.machines_api import local_machines
from tests.stack.machines_api.machines_client import MachinesClient


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with local_machines(tmp_path_factory.mktemp("machines")) as running:
        yield running


@pytest.fixture
async def machines(api, request):
    async with api.client() as client:
        yield MachinesClient(client, f"/apps/{request.node.name.replace('_', '-')[:60]}/machines")
    api.no_faults()


async def test_a_refusal_strikes_as_often_as_it_was_asked_for(api, machines):
    api.fault(
        fault="refuse",
        action="create",
        status=422,
        error="could not find a candidate host",
        code="insufficient_capacity",
        times=2,
    )
    for _ in range(2):
        refused = await machines.create()
        assert refused.status_code == 422
        assert refused.json() == {
            "error": "could not find a candidate host",
            "status": "insufficient_capacity",
        }
    assert (await machines.create()).status_code == 200


async def test_a_429_says_when_to_come_back(api, machines):
    api.fault(fault="refuse", action="get", status=429, retry_after=1)
    machine = await machines.started()
    answer = await machines.http.get(f"{machines.base}/{machine['id']}")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


async def test_a_lost_reply_leaves_a_machine_behind(api, machines):
    api.fault(fault="lost_reply", action="create")
    with pytest.raises(httpx.RemoteProtocolError):
        await machines.create(name="orphan")
    assert len(await machines.list()) == 1


async def test_a_slow_machine_stays_created(api, machines):
    api.fault(fault="slow_start", seconds=30)
    machine = (await machines.create()).json()
    assert (await machines.wait(machine, "started", timeout=1)).status_code == 408
    assert (await machines.get(machine))["state"] == "created"
    await machines.destroy(machine, force="true")
    assert (await machines.get(machine))["state"] == "destroyed"


async def test_a_vanished_machine_is_gone_and_nobody_saw_it_exit(api, machines):
    machine = await machines.started()
    api.fault(fault="vanish", machine=machine["id"])
    gone = await eventually(
        lambda: machines.get(machine), until=lambda m: m["state"] == "destroyed"
    )
    assert "exit" not in [event["type"] for event in gone["events"]]


async def test_a_lagging_list_leaves_out_the_young(api, machines):
    api.fault(fault="list_lag", seconds=60)
    await machines.started()
    assert await machines.list() == []
    api.no_faults()
    assert len(await machines.list()) == 1
