"""The scheduler on a log in memory, the real local Machines API and real processes."""

import asyncio
import os
import signal

import msgspec
import pytest

from events import (
    MachineDestroyed,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    TaskAbandoned,
    TaskCancelled,
    TaskId,
)
from infra.runtime.machine_claim import is_claim
from tests.kit.probe.eventually import eventually
from tests.scheduler.history import FINISHED, INSTRUCTED, SUBMITTED
from tests.scheduler.reactor_harness import POLICY


async def test_a_task_has_a_machine_until_it_is_finished(harness):
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        started = await harness.the(MachineStarted)
        [machine] = await harness.machines()
        assert (machine["id"], machine["name"]) == (started.machine, "task-one-a1")
        assert harness.readers.present == {("task_one", 1)}
        await harness.say(FINISHED, by="worker:1")
        destroyed = await harness.the(MachineDestroyed)
        assert destroyed.machine == started.machine
        assert 0 <= destroyed.billed_seconds < 10
        assert await harness.machines() == []
        assert harness.readers.present == set()
        assert harness.facts(MachineLost) == []


async def test_a_machine_knows_its_task_and_no_secret(harness):
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        await harness.the(MachineStarted)
        [machine] = await harness.machines()
        env, metadata = machine["config"]["env"], machine["config"]["metadata"]
        assert (env["TASK_ID"], env["ACCOUNT_ID"], env["ATTEMPT"]) == ("task_one", "acc_home", "1")
        assert is_claim("s3cret", TaskId("task_one"), 1, env["CLAIM_CODE"])
        assert "s3cret" not in str(machine)
        assert metadata == {
            "owner": "errand-scheduler",
            "task": "task_one",
            "attempt": "1",
            "deadline": env["DEADLINE"],
        }
        assert machine["config"]["auto_destroy"] is True
        assert machine["config"]["restart"] == {"policy": "no"}


async def test_a_killed_worker_is_replaced_within_seconds(harness):
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        first = await harness.the(MachineStarted)
        pid = await eventually(lambda: harness.pid_of(first.machine))
        os.kill(pid, signal.SIGKILL)
        second = await harness.the(MachineStarted, 2, seconds=5)
        assert (second.attempt, second.machine != first.machine) == (2, True)
        [lost] = harness.facts(MachineLost)
        assert (lost.attempt, lost.reason) == (1, "exited")
        assert lost.detail == "exit code 137, signal 9"
        assert [m["name"] for m in await harness.machines()] == ["task-one-a2"]
        assert harness.readers.present == {("task_one", 2)}


async def test_a_worker_that_always_dies_is_given_up(harness):
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        for number in (1, 2, 3):
            started = await harness.the(MachineStarted, number)
            os.kill(await eventually(lambda m=started: harness.pid_of(m.machine)), signal.SIGKILL)
        abandoned = await harness.the(TaskAbandoned)
        assert abandoned.reason == "worker_lost"
        assert await harness.machines() == []
        await harness.say(INSTRUCTED)
        assert (await harness.the(MachineStarted, 4)).attempt == 4


async def test_a_silent_worker_is_killed_and_replaced(harness):
    hasty = msgspec.structs.replace(POLICY, silence_seconds=0.3, start_seconds=0.3)
    async with harness.scheduler(hasty):
        await harness.say(SUBMITTED)
        first = await harness.the(MachineStarted)
        lost = await harness.the(MachineLost)
        assert (lost.attempt, lost.reason) == (1, "silent")
        assert harness.pid_of(first.machine) is None


async def test_a_worker_that_is_heard_is_left_alone(harness):
    hasty = msgspec.structs.replace(POLICY, silence_seconds=1.0, start_seconds=1.0)
    async with harness.scheduler(hasty):
        await harness.say(SUBMITTED)
        await harness.the(MachineStarted)
        for _ in range(16):
            harness.beat(1)
            await asyncio.sleep(0.1)  # the worker's own rhythm
        assert harness.facts(MachineLost) == []


async def test_a_worker_gets_the_reader_it_asks_for_once(harness):
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        await harness.the(MachineStarted)
        for _ in range(3):
            harness.beat(1, reader=2)
        await eventually(lambda: harness.readers.made, until=lambda made: len(made) == 2)
        harness.beat(1, reader=2)
        harness.beat(1, reader=3)
        await eventually(lambda: harness.readers.made, until=lambda made: len(made) == 3)


async def test_a_cancelled_task_loses_its_machine(harness):
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        await harness.the(MachineStarted)
        await harness.say(TaskCancelled())
        await harness.the(MachineDestroyed)
        assert await harness.machines() == []


async def test_a_scheduler_that_comes_back_goes_on_where_the_last_one_stopped(harness):
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        started = await harness.the(MachineStarted)
    async with harness.scheduler():
        harness.beat(1)
        os.kill(await eventually(lambda: harness.pid_of(started.machine)), signal.SIGKILL)
        assert (await harness.the(MachineStarted, 2)).attempt == 2
    await harness.say(FINISHED, by="worker:2")
    async with harness.scheduler():
        await harness.the(MachineDestroyed, 2)
    assert await harness.machines() == []
    assert [m.attempt for m in harness.facts(MachineRequested)] == [1, 2]


async def test_an_intent_without_an_outcome_finds_its_machine(harness):
    """As after a crash between the API's answer and the append."""
    async with harness.scheduler() as reactor:
        reactor.on_fact(lambda _: harness.log.fail_next_append())
        await harness.say(SUBMITTED)
        [made] = await eventually(harness.machines)
    assert harness.facts(MachineStarted) == []
    async with harness.scheduler():
        assert (await harness.the(MachineStarted)).machine == made["id"]
        assert len(await harness.machines()) == 1


async def test_a_lost_race_is_run_again(harness):
    """Somebody says something between the look at the history's tail and the append."""
    async with harness.scheduler() as reactor:
        reactor.on_fact(
            lambda fact: (
                harness.log.before_next_append(lambda: harness.say(INSTRUCTED))
                if isinstance(fact, MachineRequested)
                else None
            )
        )
        await harness.say(SUBMITTED)
        await harness.the(MachineStarted)
        assert [type(event).__name__ for event in harness.log.events(harness.history)] == [
            "TaskSubmitted",
            "MachineRequested",
            "TaskInstructed",
            "MachineStarted",
        ]
        assert len(await harness.machines()) == 1


async def test_no_capacity_is_a_fact_and_the_next_region_is_asked(harness, api):
    api.fault(
        fault="refuse", action="create", status=422, error="none", code="insufficient_capacity"
    )
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        started = await harness.the(MachineStarted)
    assert [r.reason for r in harness.facts(MachineRefused)] == ["no_capacity"]
    assert (started.attempt, started.region) == (1, "elsewhere")


async def test_a_lost_reply_makes_one_machine(harness, api):
    api.fault(fault="lost_reply", action="create")
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        started = await harness.the(MachineStarted)
    assert [m["id"] for m in await harness.machines()] == [started.machine]


async def test_a_token_that_is_refused_ends_the_task_with_a_remedy(harness, api):
    api.fault(fault="refuse", action="create", status=401, error="unauthorized", times=99)
    async with harness.scheduler(msgspec.structs.replace(POLICY, refusals=2)):
        await harness.say(SUBMITTED)
        abandoned = await harness.the(TaskAbandoned)
    assert abandoned.reason == "machine_unauthorized"
    assert "FLY_API_TOKEN" in abandoned.remedy


async def test_a_log_that_is_away_for_a_moment_loses_nothing(harness):
    async with harness.scheduler():
        harness.log.fail_next_append(is_stored=False)
        with pytest.raises(Exception, match="away"):
            await harness.say(SUBMITTED)
        await harness.say(SUBMITTED)
        harness.log.fail_next_append(is_stored=True)
        await harness.the(MachineStarted)
    assert len(await harness.machines()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'"\xff',
        b'{"attempt":1e400}',
        b'{"attempt":' + b"9" * 5_000 + b"}",
        b'{"attempt":1,"more":' + b"[" * 100_000,
        b'{"attempt":[' + b'{"a":' * 100_000,
    ],
    ids=["empty", "cut", "not UTF-8", "infinite", "long number", "deep", "deeper"],
)
async def test_a_malformed_heartbeat_ends_nothing(harness, body):
    async with harness.scheduler():
        await harness.say(SUBMITTED)
        await harness.the(MachineStarted)
        harness.beats.put_nowait((harness.history, body))
        harness.beat(1, reader=2)  # heard behind it
        await eventually(lambda: harness.readers.made, until=lambda made: len(made) == 2)
