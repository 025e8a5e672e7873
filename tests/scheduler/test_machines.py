"""The client, against the real local Machines API over HTTP, with and without faults."""

import pytest

from events import Guest, MachineId
from infra.runtime.clock import utc_now
from services.scheduler.fleet.machine import Machine, MachineSpec, billed_seconds, ending
from services.scheduler.fleet.machine_errors import MachineNotCreated, remedy_of
from services.scheduler.machines.client import Machines, Refused, Unreachable
from services.scheduler.machines.rate_limiter import Limits
from tests.kit.probe.eventually import eventually
from tests.kit.servers.machines_api import SLEEP

METADATA = {"task": "task_1", "attempt": "1", "owner": "errand-scheduler"}


@pytest.fixture
async def client(machines_api, request):
    """A client for an app of the test's own, which never waits: time is not what is tested."""

    async def no_sleep(seconds):
        assert seconds >= 0

    async with machines_api.client() as http:
        app = request.node.name.replace("_", "-").replace("[", "-").strip("]")[:60]
        yield Machines(http, app, Limits(utc_now, no_sleep), sleep=no_sleep, chance=lambda: 0.5)
    machines_api.no_faults()


def wanted(behave=SLEEP, **changes):
    asked = {
        "name": "task-1-a1",
        "region": "local",
        "image": "worker",
        "guest": Guest("shared", 2, 2048),
        "env": {"BEHAVE": behave},
        "metadata": METADATA,
    }
    return MachineSpec(**asked | changes)


async def test_a_machine_is_had_and_let_go(client):
    machine = await client.obtain(wanted(), may_exist=False)
    assert isinstance(machine, Machine)
    assert machine.config.metadata == METADATA
    assert await client.wait(machine.id, "started", seconds=10) == "reached"
    assert await client.wait(machine.id, "destroyed", seconds=1) == "not yet"
    await client.destroy(machine.id)
    assert await client.wait(machine.id, "destroyed", seconds=10) == "reached"
    assert await client.wait(machine.id, "started", seconds=1) == "gone"


async def test_a_machine_that_is_gone_may_be_destroyed_again(client):
    await client.destroy(MachineId("00000000000000"))
    assert await client.get(MachineId("00000000000000")) is None
    assert await client.events(MachineId("00000000000000")) == []


async def test_a_machine_stops_and_starts(client):
    machine = await client.obtain(wanted(), may_exist=False)
    await client.wait(machine.id, "started", seconds=10)
    await client.set_metadata(machine.id, "colour", "blue")
    assert (await client.metadata(machine.id))["colour"] == "blue"
    await client.stop(machine.id, seconds=1)
    assert await client.wait(machine.id, "destroyed", seconds=10) == "reached"


async def test_a_lost_answer_does_not_make_a_second_machine(client, machines_api):
    machines_api.fault(fault="lost_reply", action="create")
    machine = await client.obtain(wanted(), may_exist=False)
    assert isinstance(machine, Machine)
    assert [m.id for m in await client.list(METADATA)] == [machine.id]


async def test_a_lost_answer_and_a_lagging_list_do_not_make_a_second_machine(client, machines_api):
    machines_api.fault(fault="lost_reply", action="create")
    machines_api.fault(fault="list_lag", seconds=3600)
    machine = await client.obtain(wanted(), may_exist=False)  # by the 409 of the second try
    machines_api.no_faults()
    assert [m.id for m in await client.list(METADATA)] == [machine.id]


async def test_a_machine_that_may_exist_is_looked_for_even_if_it_has_ended(client):
    first = await client.obtain(wanted("pass"), may_exist=False)
    await client.wait(first.id, "destroyed", seconds=10)
    again = await client.obtain(wanted(), may_exist=True)
    assert (again.id, again.state) == (first.id, "destroyed")


async def test_a_name_clash_is_adopted(client):
    first = await client.obtain(wanted(), may_exist=False)
    second = await client.obtain(wanted(), may_exist=False)
    assert second.id == first.id


async def test_a_foreign_machine_with_the_name_is_not_adopted(client):
    await client.obtain(wanted(metadata={"task": "another"}), may_exist=False)
    answer = await client.obtain(wanted(), may_exist=False)
    assert isinstance(answer, MachineNotCreated)
    assert "held by a foreign machine" in answer.detail


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ((422, "could not find a candidate host", "insufficient_capacity"), "no_capacity"),
        ((409, "aborted: no capacity", ""), "no_capacity"),
        (
            (409, "aborted: could not reserve resource for machine: insufficient CPUs", ""),
            "no_capacity",
        ),
        ((412, "insufficient resources to create new machine", ""), "no_capacity"),
        ((403, 'organization "X" is over the allowed quota', ""), "quota_exceeded"),
        ((403, "forbidden", ""), "unauthorized"),
        ((401, "unauthorized", ""), "unauthorized"),
        ((422, "invalid memory size", ""), "refused"),
    ],
)
async def test_a_refusal_has_a_name_and_a_remedy(client, machines_api, refusal, reason):
    status, error, code = refusal
    machines_api.fault(fault="refuse", action="create", status=status, error=error, code=code)
    answer = await client.obtain(wanted(), may_exist=False)
    assert isinstance(answer, MachineNotCreated)
    assert answer.reason == reason
    assert error in answer.detail
    assert remedy_of(reason)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_passing_trouble_is_outlived(client, machines_api, status):
    machines_api.fault(fault="refuse", action="create", status=status, error="busy", retry_after=1)
    assert isinstance(await client.obtain(wanted(), may_exist=False), Machine)


async def test_a_lasting_trouble_is_told_as_such(client, machines_api):
    machines_api.fault(fault="refuse", action="get", status=503, error="down", times=50)
    with pytest.raises(Unreachable, match="503: down"):
        await client.get(MachineId("00000000000000"))


async def test_another_refusal_is_not_repeated(client, machines_api):
    machines_api.fault(fault="refuse", action="list", status=400, error="what?")
    with pytest.raises(Refused, match="400: what"):
        await client.list({})
    assert await client.list({}) == []


async def test_what_a_machine_used_and_how_it_ended_is_in_its_events(client):
    machine = await client.obtain(wanted("time.sleep(0.3); sys.exit(7)"), may_exist=False)
    await client.wait(machine.id, "destroyed", seconds=10)
    seen = await eventually(lambda: client.get(machine.id))
    assert 0.3 <= billed_seconds(seen.events) < 5
    assert ending(seen.events) == "exit code 7"
