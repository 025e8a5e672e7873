"""The scheduler on a log in memory, the real local Machines API and real processes."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager

import msgspec
import psutil
import pytest

from events import (
    AccountId,
    Guest,
    History,
    MachineDestroyed,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    TaskAbandoned,
    TaskCancelled,
    TaskId,
)
from events.protocol.readers import reader_name
from infra.log.event_log import Conflict
from infra.runtime.clock import DraftFactory, utc_now
from infra.runtime.machine_claim import is_claim
from services.scheduler.effects import Effects
from services.scheduler.fleet.plan import Policy
from services.scheduler.fleet.worker_machine import WorkerConfig
from services.scheduler.machines.client import Machines
from services.scheduler.machines.rate_limiter import Limits
from services.scheduler.reactor import Reactor
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.probe.eventually import eventually
from tests.kit.servers.machines_api import local_machines
from tests.scheduler.history import FINISHED, INSTRUCTED, SUBMITTED

POLICY = Policy(
    regions=("local", "elsewhere"),
    guest=Guest("shared", 2, 2048),
    backoff_seconds=(0.05,),
    silence_seconds=30,
    shutdown_grace_seconds=0.2,
)
TERMS = WorkerConfig(image="worker", gateway_url="http://gateway", claim_secret="s3cret")
FAITHFUL = "import time; time.sleep(600)"


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A Machines API whose every machine sleeps until it is ended."""
    command = json.dumps([sys.executable, "-c", FAITHFUL])
    with local_machines(tmp_path_factory.mktemp("machines"), WORKER_COMMAND=command) as running:
        yield running


class Readers:
    """Remembers who has a reader, and how often it was made."""

    def __init__(self):
        self.made = []
        self.present = set()

    async def create_reader(self, history, attempt):
        self.made.append((history.task, attempt))
        self.present.add((history.task, attempt))
        return reader_name(history.task, attempt)

    async def recreate_reader(self, history, attempt):
        await self.delete_reader(history, attempt)
        return await self.create_reader(history, attempt)

    async def delete_reader(self, history, attempt):
        self.present.discard((history.task, attempt))


class Office:
    """A scheduler's surroundings: the log, the beats, the platform."""

    def __init__(self, api, app):
        self.api = api
        self.app = app
        self.log = InMemoryLog()
        self.readers = Readers()
        self.draft_factory = DraftFactory(utc_now)
        self.beats = asyncio.Queue()
        self.history = History(AccountId("acc_home"), TaskId("task_one"))

    async def say(self, *facts, by="person:per_1"):
        while True:
            head = await self.log.head(self.history)
            drafts = self.draft_factory.drafts(facts, by=by)
            try:
                return await self.log.append(self.history, drafts, after=head)
            except Conflict:
                continue

    def beat(self, attempt, reader=1):
        body = {"attempt": attempt, "machine": "m", "version": 1, "reader": reader}
        self.beats.put_nowait((self.history, msgspec.json.encode(body)))

    def facts(self, kind):
        return [event for event in self.log.events(self.history) if isinstance(event, kind)]

    async def the(self, kind, count=1, seconds=10):
        return (
            await eventually(
                lambda: self.facts(kind), until=lambda f: len(f) >= count, seconds=seconds
            )
        )[-1]

    def pid_of(self, machine):
        for process in psutil.process_iter():
            try:
                if process.environ().get("FLY_MACHINE_ID") == machine:
                    return process.pid
            except psutil.Error:
                continue
        return None

    async def machines(self):
        async with self.api.client() as http:
            return (await http.get(f"/apps/{self.app}/machines")).json()

    @asynccontextmanager
    async def scheduler(self, policy=POLICY):
        """Run a scheduler; several after each other are restarts of one."""
        until = asyncio.Event()

        async def beats():
            while not until.is_set():
                try:
                    async with asyncio.timeout(0.05):
                        beat = await self.beats.get()
                except TimeoutError:
                    continue
                yield beat

        async with self.api.client() as http:
            machines = Machines(http, self.app, Limits(utc_now))
            effects = Effects(machines, self.readers, TERMS, utc_now)
            info = await self.log.info()
            reactor = Reactor(
                self.log, effects, self.draft_factory, policy, caught_up_at=info.last_sequence
            )
            async with asyncio.TaskGroup() as group:
                running = group.create_task(reactor.run(beats(), until))
                try:
                    yield reactor
                finally:
                    until.set()
                    async with asyncio.timeout(10):
                        await asyncio.wait([running])


@pytest.fixture
async def office(api, request):
    place = Office(api, request.node.name.replace("_", "-").replace("[", "-").strip("]")[:60])
    yield place
    api.no_faults()
    async with api.client() as http:
        for machine in await place.machines():
            await http.delete(f"/apps/{place.app}/machines/{machine['id']}?force=true")


async def test_a_task_has_a_machine_until_it_is_finished(office):
    async with office.scheduler():
        await office.say(SUBMITTED)
        started = await office.the(MachineStarted)
        [machine] = await office.machines()
        assert (machine["id"], machine["name"]) == (started.machine, "task-one-a1")
        assert office.readers.present == {("task_one", 1)}
        await office.say(FINISHED, by="worker:1")
        destroyed = await office.the(MachineDestroyed)
        assert destroyed.machine == started.machine
        assert 0 <= destroyed.billed_seconds < 10
        assert await office.machines() == []
        assert office.readers.present == set()
        assert office.facts(MachineLost) == []


async def test_a_machine_knows_its_task_and_no_secret(office):
    async with office.scheduler():
        await office.say(SUBMITTED)
        await office.the(MachineStarted)
        [machine] = await office.machines()
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


async def test_a_killed_worker_is_replaced_within_seconds(office):
    async with office.scheduler():
        await office.say(SUBMITTED)
        first = await office.the(MachineStarted)
        pid = await eventually(lambda: office.pid_of(first.machine))
        os.kill(pid, signal.SIGKILL)
        second = await office.the(MachineStarted, 2, seconds=5)
        assert (second.attempt, second.machine != first.machine) == (2, True)
        [lost] = office.facts(MachineLost)
        assert (lost.attempt, lost.reason) == (1, "exited")
        assert lost.detail == "exit code 137, signal 9"
        assert [m["name"] for m in await office.machines()] == ["task-one-a2"]
        assert office.readers.present == {("task_one", 2)}


async def test_a_worker_that_always_dies_is_given_up(office):
    async with office.scheduler():
        await office.say(SUBMITTED)
        for number in (1, 2, 3):
            started = await office.the(MachineStarted, number)
            os.kill(await eventually(lambda m=started: office.pid_of(m.machine)), signal.SIGKILL)
        abandoned = await office.the(TaskAbandoned)
        assert abandoned.reason == "worker_lost"
        assert await office.machines() == []
        await office.say(INSTRUCTED)
        assert (await office.the(MachineStarted, 4)).attempt == 4


async def test_a_silent_worker_is_killed_and_replaced(office):
    hasty = msgspec.structs.replace(POLICY, silence_seconds=0.3, start_seconds=0.3)
    async with office.scheduler(hasty):
        await office.say(SUBMITTED)
        first = await office.the(MachineStarted)
        lost = await office.the(MachineLost)
        assert (lost.attempt, lost.reason) == (1, "silent")
        assert office.pid_of(first.machine) is None


async def test_a_worker_that_is_heard_is_left_alone(office):
    hasty = msgspec.structs.replace(POLICY, silence_seconds=1.0, start_seconds=1.0)
    async with office.scheduler(hasty):
        await office.say(SUBMITTED)
        await office.the(MachineStarted)
        for _ in range(16):
            office.beat(1)
            await asyncio.sleep(0.1)  # the worker's own rhythm
        assert office.facts(MachineLost) == []


async def test_a_worker_gets_the_reader_it_asks_for_once(office):
    async with office.scheduler():
        await office.say(SUBMITTED)
        await office.the(MachineStarted)
        for _ in range(3):
            office.beat(1, reader=2)
        await eventually(lambda: office.readers.made, until=lambda made: len(made) == 2)
        office.beat(1, reader=2)
        office.beat(1, reader=3)
        await eventually(lambda: office.readers.made, until=lambda made: len(made) == 3)


async def test_a_cancelled_task_loses_its_machine(office):
    async with office.scheduler():
        await office.say(SUBMITTED)
        await office.the(MachineStarted)
        await office.say(TaskCancelled())
        await office.the(MachineDestroyed)
        assert await office.machines() == []


async def test_a_scheduler_that_comes_back_goes_on_where_the_last_one_stopped(office):
    async with office.scheduler():
        await office.say(SUBMITTED)
        started = await office.the(MachineStarted)
    async with office.scheduler():
        office.beat(1)
        os.kill(await eventually(lambda: office.pid_of(started.machine)), signal.SIGKILL)
        assert (await office.the(MachineStarted, 2)).attempt == 2
    await office.say(FINISHED, by="worker:2")
    async with office.scheduler():
        await office.the(MachineDestroyed, 2)
    assert await office.machines() == []
    assert [m.attempt for m in office.facts(MachineRequested)] == [1, 2]


async def test_an_intent_without_an_outcome_finds_its_machine(office):
    """As after a crash between the API's answer and the append."""
    async with office.scheduler() as reactor:
        reactor.on_fact(lambda _: office.log.fail_next_append())
        await office.say(SUBMITTED)
        [made] = await eventually(office.machines)
    assert office.facts(MachineStarted) == []
    async with office.scheduler():
        assert (await office.the(MachineStarted)).machine == made["id"]
        assert len(await office.machines()) == 1


async def test_a_lost_race_is_run_again(office):
    """Somebody says something between the look at the history's tail and the append."""
    async with office.scheduler() as reactor:
        reactor.on_fact(
            lambda fact: (
                office.log.before_next_append(lambda: office.say(INSTRUCTED))
                if isinstance(fact, MachineRequested)
                else None
            )
        )
        await office.say(SUBMITTED)
        await office.the(MachineStarted)
        assert [type(event).__name__ for event in office.log.events(office.history)] == [
            "TaskSubmitted",
            "MachineRequested",
            "TaskInstructed",
            "MachineStarted",
        ]
        assert len(await office.machines()) == 1


async def test_no_capacity_is_a_fact_and_the_next_region_is_asked(office, api):
    api.fault(
        fault="refuse", action="create", status=422, error="none", code="insufficient_capacity"
    )
    async with office.scheduler():
        await office.say(SUBMITTED)
        started = await office.the(MachineStarted)
    assert [r.reason for r in office.facts(MachineRefused)] == ["no_capacity"]
    assert (started.attempt, started.region) == (1, "elsewhere")


async def test_a_lost_reply_makes_one_machine(office, api):
    api.fault(fault="lost_reply", action="create")
    async with office.scheduler():
        await office.say(SUBMITTED)
        started = await office.the(MachineStarted)
    assert [m["id"] for m in await office.machines()] == [started.machine]


async def test_a_token_that_is_refused_ends_the_task_with_a_remedy(office, api):
    api.fault(fault="refuse", action="create", status=401, error="unauthorized", times=99)
    async with office.scheduler(msgspec.structs.replace(POLICY, refusals=2)):
        await office.say(SUBMITTED)
        abandoned = await office.the(TaskAbandoned)
    assert abandoned.reason == "machine_unauthorized"
    assert "FLY_API_TOKEN" in abandoned.remedy


async def test_a_log_that_is_away_for_a_moment_loses_nothing(office):
    async with office.scheduler():
        office.log.fail_next_append(is_stored=False)
        with pytest.raises(Exception, match="away"):
            await office.say(SUBMITTED)
        await office.say(SUBMITTED)
        office.log.fail_next_append(is_stored=True)
        await office.the(MachineStarted)
    assert len(await office.machines()) == 1


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
async def test_a_malformed_heartbeat_ends_nothing(office, body):
    async with office.scheduler():
        await office.say(SUBMITTED)
        await office.the(MachineStarted)
        office.beats.put_nowait((office.history, body))
        office.beat(1, reader=2)  # heard behind it
        await eventually(lambda: office.readers.made, until=lambda made: len(made) == 2)
