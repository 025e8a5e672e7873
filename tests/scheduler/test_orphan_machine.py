"""A machine that was had too late, on a log in memory and the real local Machines API."""

from events import MachineDestroyed, MachineId, MachineStarted
from services.scheduler.fleet.outcome import MachineReady, orphan_machine
from tests.kit.probe.eventually import eventually
from tests.scheduler.history import FINISHED, SUBMITTED, given, lost, requested, started

OTHER = MachineId("another")


def obtained(machine):
    return MachineReady(1, machine, "local", 1.0)


def test_a_machine_is_the_attempts_own_or_stray():
    begun = [SUBMITTED, requested(), started()]
    task = given(*begun).task
    assert orphan_machine(obtained(task.attempt.machine), task) is None
    assert orphan_machine(obtained(OTHER), task) == OTHER
    again = given(*begun, lost(), requested(attempt=2)).task
    assert orphan_machine(obtained(OTHER), again) == OTHER


async def test_a_machine_for_an_attempt_that_has_another_by_now_is_given_back(harness):
    async def nothing():
        return None

    had = []

    async def overtaken():
        had.extend(await harness.machines())
        theirs = MachineStarted(attempt=1, machine=OTHER, region="local", seconds=1.0)
        await harness.say(theirs, FINISHED, by="scheduler")

    await harness.say(SUBMITTED)
    harness.log.before_next_append(nothing)  # the intent
    harness.log.before_next_append(overtaken)
    async with harness.scheduler():
        await harness.the(MachineDestroyed)
        await eventually(harness.machines, until=lambda machines: not machines)
    assert [machine["name"] for machine in had] == ["task-one-a1"]
