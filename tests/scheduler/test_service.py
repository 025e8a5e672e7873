"""The scheduler as a process, on the real NATS and the real local Machines API."""

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import psutil
import pytest

from events import (
    AccountId,
    CommandId,
    Draft,
    History,
    MachineDestroyed,
    MachineLost,
    MachineStarted,
    task_id,
)
from infra.log.jetstream import JetStreamLog, connect
from infra.runtime.clock import DraftFactory, utc_now
from tests.kit.paths import ROOT
from tests.kit.probe.eventually import eventually
from tests.kit.servers.machines_api import TOKEN, local_machines
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import real_servers
from tests.scheduler.history import FINISHED, SUBMITTED

ACCOUNT = AccountId("acc_scheduler")


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    command = f'["{sys.executable}", "-c", "import time; time.sleep(600)"]'
    with local_machines(tmp_path_factory.mktemp("machines"), WORKER_COMMAND=command) as running:
        yield running


@pytest.fixture(scope="module")
def servers():
    """Servers of its own: a scheduler takes up every task of its log, other tests' too."""
    with server_directory() as place, real_servers(place) as running:
        yield running


class Scheduler:
    """The service, and a way to start it again."""

    def __init__(self, environment):
        self._environment = environment
        self.process = self._start()

    def _start(self):
        return subprocess.Popen(
            [sys.executable, "-m", "services.scheduler"],
            env=self._environment,
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(timeout=15)

    def restart(self, number):
        self.end(number)
        self.process = self._start()


@pytest.fixture
def scheduler(servers, api):
    running = Scheduler(
        {
            "PATH": os.environ["PATH"],
            "NATS_URL": servers.nats_url,
            "NATS_CREDENTIALS": str(servers.credentials("scheduler")),
            **servers.event_key_settings,
            "FLY_API_BASE_URL": api.url,
            "FLY_API_TOKEN": TOKEN,
            "FLY_APP": "workers",
            "FLY_REGIONS": "local",
            "WORKER_IMAGE": "worker",
            "GATEWAY_URL": "http://gateway",
            "CLAIM_SECRET": "s3cret",
            "RETRY_BACKOFF_SECONDS": "0.1",
        }
    )
    yield running
    assert running.end(signal.SIGTERM) == 0


class Place:
    def __init__(self, log, name):
        self.log = log
        self.draft_factory = DraftFactory(utc_now)
        self.history = History(ACCOUNT, task_id(ACCOUNT, CommandId(f"{name}{os.getpid()}")))

    async def say(self, fact, by):
        [draft] = self.draft_factory.drafts([fact], by=by)
        assert isinstance(draft, Draft)
        await self.log.append(self.history, [draft], after=await self.log.head(self.history))

    async def the(self, kind, count=1):
        async def look():
            events = [recorded.event for recorded in await self.log.read(self.history)]
            return [event for event in events if isinstance(event, kind)]

        found = await eventually(look, until=lambda f: len(f) >= count, seconds=20)
        return found[-1]


@asynccontextmanager
async def place(servers, name):
    credentials = servers.credentials("gateway")
    async with connect(
        servers.nats_url, credentials=credentials, name="test", keys=servers.event_keys
    ) as connection:
        yield Place(JetStreamLog(connection), name)


def pid_of(machine):
    for process in psutil.process_iter():
        try:
            if process.environ().get("FLY_MACHINE_ID") == machine:
                return process.pid
        except psutil.Error:
            continue
    return None


async def test_a_task_survives_its_worker_and_its_scheduler(servers, scheduler):
    async with place(servers, "survives") as task:
        await task.say(SUBMITTED, "person:per_1")
        first = await task.the(MachineStarted)
        scheduler.restart(signal.SIGKILL)
        os.kill(await eventually(lambda: pid_of(first.machine)), signal.SIGKILL)
        second = await task.the(MachineStarted, 2)
        assert second.attempt == 2
        lost = await task.the(MachineLost)
        assert (lost.attempt, lost.detail) == (1, "exit code 137, signal 9")
        await task.say(FINISHED, "worker:2")
        scheduler.restart(signal.SIGTERM)
        await task.the(MachineDestroyed, 2)
        assert pid_of(second.machine) is None


async def test_a_server_restart_in_the_middle_changes_nothing(servers, scheduler):
    async with place(servers, "restart") as task:
        await task.say(SUBMITTED, "person:per_1")
        first = await task.the(MachineStarted)
        await servers.restart("nats")
        os.kill(await eventually(lambda: pid_of(first.machine)), signal.SIGKILL)
        assert (await task.the(MachineStarted, 2)).attempt == 2
        await task.say(FINISHED, "worker:2")
        await task.the(MachineDestroyed, 2)
