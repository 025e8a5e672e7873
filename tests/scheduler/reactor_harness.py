"""A scheduler on a log in memory, the real local Machines API and real processes."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import psutil

from events import (
    AccountId,
    Guest,
    History,
    TaskId,
)
from events.protocol.readers import reader_name
from infra.log.event_log import Conflict
from infra.runtime.clock import DraftFactory, utc_now
from services.scheduler.effects import Effects
from services.scheduler.fleet.plan import Policy
from services.scheduler.fleet.worker_machine import WorkerConfig
from services.scheduler.machines.client import Machines
from services.scheduler.machines.rate_limiter import Limits
from services.scheduler.reactor import Reactor
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.probe.eventually import eventually

POLICY = Policy(
    regions=("local", "elsewhere"),
    guest=Guest("shared", 2, 2048),
    backoff_seconds=(0.05,),
    silence_seconds=30,
    shutdown_grace_seconds=0.2,
)
TERMS = WorkerConfig(image="worker", gateway_url="http://gateway", claim_secret="s3cret")
SLEEP = "import time; time.sleep(600)"


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


class SchedulerHarness:
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
