"""G9: an attempt has one machine, whatever the Machines API answers and whoever dies meanwhile.

A real scheduler is killed again and again before a real local Machines API that loses replies
after it did what was asked, hides young machines from its lists, and refuses; and two schedulers
work at once. What counts is the platform's own book: how often it made a machine for an attempt.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psutil
import pytest

from events import (
    NOWHERE,
    AttemptEnded,
    AttemptStarted,
    GatewayEvent,
    History,
    MachineDestroyed,
    MachineId,
    MachineRequested,
    MachineStarted,
    Repository,
    TaskFinished,
    TaskSubmitted,
)
from infra.log.event_log import Conflict
from infra.log.jetstream import JetStreamLog
from infra.runtime.clock import DraftFactory, utc_now
from services.scheduler.fleet.machine import Machine
from services.scheduler.fleet.worker_machine import OWNER
from services.scheduler.machines.client import Machines
from services.scheduler.machines.rate_limiter import Limits
from tests.kit.build.event_logs import new_history
from tests.kit.laws.linear_histories import PATIENCE_SECONDS
from tests.kit.paths import ROOT
from tests.kit.probe.eventually import eventually
from tests.kit.servers.cluster import Cluster, LogPlace, _running
from tests.kit.servers.machines_api import TOKEN, LocalMachines, local_machines
from tests.kit.servers.nats_connections import as_admin
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import OwnThread, plain_environment, real_servers

TASKS = int(os.environ.get("TASKS", "3"))
KILLS = int(os.environ.get("KILLS", "4"))
APP = "workers"
DONE = (TaskFinished(summary="Done", outcome="branch"),)
SUBMITTED = TaskSubmitted(prompt="Fix", repository=Repository("https://x/y"), model="m")
WORKER = f'["{sys.executable}", "-c", "import time; time.sleep(600)"]'


@pytest.fixture(scope="module", params=["R1", "R3"])
def own_log(request: pytest.FixtureRequest) -> Iterator[LogPlace]:
    """A log of its own: a scheduler takes up every task there is, other tests' too."""
    with server_directory() as directory:
        if request.param == "R1":
            with real_servers(directory) as servers:
                yield LogPlace(servers)
            return
        thread = OwnThread(_running(directory))
        try:
            yield LogPlace(Cluster(*thread.open(), thread))
        finally:
            thread.close()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMachines]:
    with local_machines(tmp_path_factory.mktemp("machines"), WORKER_COMMAND=WORKER) as running:
        yield running


class Schedulers:
    """One, or two at once, as in a deployment or behind a partition."""

    def __init__(self, log: LogPlace, api: LocalMachines, count: int) -> None:
        self._environment = plain_environment() | {
            "NATS_URL": log.nats_url,
            "NATS_CREDENTIALS": str(log.credentials("scheduler")),
            **log.event_key_settings,
            "FLY_API_BASE_URL": api.url,
            "FLY_API_TOKEN": TOKEN,
            "FLY_APP": APP,
            "FLY_REGIONS": "local",
            "WORKER_IMAGE": "worker",
            "GATEWAY_URL": "http://gateway",
            "CLAIM_SECRET": "s3cret",
            "RETRY_BACKOFF_SECONDS": "0.1",
            "LOG_LEVEL": "CRITICAL",
        }
        self._processes = [self._start() for _ in range(count)]

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "services.scheduler"],
            env=self._environment,
            cwd=ROOT,
        )

    def kill(self) -> None:
        """SIGKILL the first, and start another in its place."""
        self._processes[0].kill()
        self._processes[0].wait()
        self._processes[0] = self._start()

    def end(self) -> list[int]:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        return [process.wait(timeout=60) for process in self._processes]


@contextmanager
def schedulers(log: LogPlace, api: LocalMachines, count: int) -> Iterator[Schedulers]:
    running = Schedulers(log, api, count)
    try:
        yield running
    finally:
        ends = running.end()
    assert set(ends) == {0}


@asynccontextmanager
async def platform(api: LocalMachines) -> AsyncIterator[Callable[[], Any]]:
    """The platform's own book: all machines it ever made for us."""
    async with api.client() as http:
        machines = Machines(http, APP, Limits(utc_now))

        async def book() -> list[Machine]:
            return list(await machines.list({"owner": OWNER}, include_deleted=True))

        yield book


class Task:
    """One task, and what its worker would say."""

    def __init__(self, log: JetStreamLog[Any]) -> None:
        self.history: History = new_history()
        self._log = log
        self._draft_factory = DraftFactory(utc_now)

    async def submit(self) -> None:
        drafts = self._draft_factory.drafts([SUBMITTED], by="person:per_1")
        await self._log.append(self.history, drafts, after=NOWHERE)

    async def say(self, *facts: GatewayEvent | Any, by: str) -> None:
        drafts = self._draft_factory.drafts(facts, by=by)
        while True:
            try:
                await self._log.append(
                    self.history, drafts, after=await self._log.head(self.history)
                )
            except Conflict:
                continue
            return

    async def all_of(self, kind: type[Any]) -> list[Any]:
        events = [recorded.event for recorded in await self._log.read(self.history)]
        return [event for event in events if isinstance(event, kind)]

    async def nth(self, kind: type[Any], number: int) -> Any:
        """Wait for the nth fact of a kind."""
        found = await eventually(
            lambda: self.all_of(kind),
            until=lambda facts: len(facts) >= number,
            seconds=120,
            every_seconds=0.1,
        )
        return found[number - 1]


def inject_faults(api: LocalMachines) -> None:
    """Replies are lost after the work, young machines are not listed, and some calls refused."""
    api.fault(fault="lost_reply", action="create", times=TASKS)
    api.fault(fault="list_lag", seconds=2)
    api.fault(fault="refuse", action="create", status=429, retry_after=1, times=2)
    api.fault(fault="refuse", action="list", status=503, times=2)
    api.fault(fault="lost_reply", action="destroy", times=TASKS)


def made(book: list[Machine], tasks: list[Task]) -> Counter[tuple[str, str]]:
    """Return the number of machines the platform ever made for each attempt of these tasks."""
    ours = {str(task.history.task) for task in tasks}
    owners = [(m.config.metadata["task"], m.config.metadata["attempt"]) for m in book]
    return Counter(owner for owner in owners if owner[0] in ours)


def kill_worker(machine: MachineId) -> None:
    """SIGKILL what runs in a machine."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("FLY_MACHINE_ID") == machine:
                process.kill()
                return
        except psutil.Error:
            continue
    raise AssertionError(f"nothing runs in {machine}")


async def through_two_attempts(task: Task) -> None:
    """Submit; have the first machine die and the second finish the work."""
    await task.submit()
    first = await task.nth(MachineStarted, 1)
    await task.say(AttemptStarted(attempt=1, machine=first.machine), by="worker:1")
    kill_worker(first.machine)
    second = await task.nth(MachineStarted, 2)
    await task.say(
        AttemptStarted(attempt=second.attempt, machine=second.machine),
        *DONE,
        AttemptEnded(attempt=second.attempt, reason="finished"),
        by=f"worker:{second.attempt}",
    )
    await task.nth(MachineDestroyed, 2)


async def test_an_attempt_has_one_machine_whatever_answers_are_lost_and_whoever_is_killed(
    own_log: LogPlace, api: LocalMachines
) -> None:
    chance = random.Random(9)
    inject_faults(api)
    async with as_admin(own_log) as admin, platform(api) as book:
        log = JetStreamLog[Any](admin, deadline_seconds=PATIENCE_SECONDS)
        tasks = [Task(log) for _ in range(TASKS)]
        with schedulers(own_log, api, 1) as running:
            async with asyncio.TaskGroup() as group:
                works = [group.create_task(through_two_attempts(task)) for task in tasks]
                for _ in range(KILLS):
                    await asyncio.sleep(chance.uniform(0.3, 1.5))  # at whatever it is doing
                    await asyncio.to_thread(running.kill)
            assert all(work.done() for work in works)
            api.no_faults()  # the book is read whole: not even a young machine is hidden

            async def still_there() -> list[str]:
                return [machine.name for machine in await book() if machine.state != "destroyed"]

            await eventually(still_there, until=lambda names: not names, seconds=60)
            ever = await book()

        for task in tasks:
            requested = await task.all_of(MachineRequested)
            numbers = [each.attempt for each in requested]
            assert len(set(numbers)) == len(numbers), "an attempt was asked for twice"
            started = await task.all_of(MachineStarted)
            assert len({each.attempt for each in started}) == len(started)
            counted = made(ever, [task])
            assert max(counted.values()) == 1, f"two machines for one attempt: {counted}"
            assert {int(attempt) for _, attempt in counted} <= set(numbers)


async def test_of_two_schedulers_one_makes_the_machine_and_the_other_takes_it_as_its_own(
    own_log: LogPlace, api: LocalMachines
) -> None:
    async with as_admin(own_log) as admin, platform(api) as book:
        log = JetStreamLog[Any](admin, deadline_seconds=PATIENCE_SECONDS)
        tasks = [Task(log) for _ in range(TASKS)]
        with schedulers(own_log, api, 2):
            for task in tasks:
                await task.submit()
            for task in tasks:
                await task.nth(MachineStarted, 1)
            counted = made(await book(), tasks)
            assert counted == {(str(task.history.task), "1"): 1 for task in tasks}
            for task in tasks:
                await task.say(*DONE, AttemptEnded(attempt=1, reason="finished"), by="worker:1")
                await task.nth(MachineDestroyed, 1)
