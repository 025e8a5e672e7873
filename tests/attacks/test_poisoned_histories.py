"""A worker writes what it likes on its own task's subject, and harms nobody but that task.

Judged from outside: no process of Errand ends, others' tasks finish, the poisoned task can be
looked at and ends as its person wants, or with the one reason its poison is documented to end it
with (docs/operate/operations.md), and all of it again after each service was killed.
"""

import asyncio
import json
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta

import pytest
import pytest_asyncio

from clients.cli.gateway.client import new_command_id
from clients.cli.stream.client import Stream
from clients.cli.stream.items import CaughtUp
from events import (
    AccountId,
    History,
    MachineDestroyed,
    TaskCancelled,
    TaskId,
    ToolStarted,
    event_subject,
)
from events.protocol.readers import reader_name
from infra.log.jetstream import JetStreamLog, connect
from infra.log.nats_permissions import MAX_WORKER_MESSAGE_BYTES, WorkerGrant
from infra.runtime.clock import utc_now
from tests.attacks.poisons import ENDED_AS, FAMILIES, FLOODS, SAMPLE, envelope
from tests.kit.laws import nats_rights
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import repository, signed_in
from tests.kit.servers.stack import real_stack

SERVICES = ("gateway", "broker", "scheduler", "projector")
LONG_WORK = "rehearse 1 tool calls of 300 seconds"
KEPT = "kept"
"""The task that is poisoned before the services are killed, and cancelled afterwards."""
ROOM_BYTES = 1024
NAMES = (*FAMILIES, *FLOODS, KEPT)


@pytest.fixture(scope="module")
def poisoned_stack(tmp_path_factory):
    """A stack of this module's own: it is poisoned for good."""
    environment = {
        "TASKS_PER_ACCOUNT": "50",
        "HEARTBEAT_SILENCE_SECONDS": "20",
        "RETRY_BACKOFF_SECONDS": "120,120,120",  # a poison that ends its worker gets no other here
    }
    with real_stack(tmp_path_factory.mktemp("poisoned_stack"), environment=environment) as running:
        yield running


async def put(worker, history, body):
    """Store a message as the worker; only its length may keep it out.

    What is longer than a worker's message may be is not sent: NATS ends the connection for it.
    """
    if len(body) + ROOM_BYTES > MAX_WORKER_MESSAGE_BYTES:
        return
    answer = await worker.request(event_subject(history), body, timeout=10)
    refusal = json.loads(answer.data).get("error")
    assert refusal is None or "exceeds maximum" in refusal["description"], refusal


class Poisoner:
    """One running task, and the credentials its worker was given."""

    def __init__(self, stack, log, phone, task):
        self.stack, self.log, self.phone = stack, log, phone
        self.history = History(AccountId(task["account"]), TaskId(task["id"]))
        self.path = f"/v1/tasks/{task['id']}"

    async def facts(self):
        return await self.log.read(self.history)

    async def is_at_work(self):
        return any(isinstance(each.event, ToolStarted) for each in await self.facts())

    @asynccontextmanager
    async def as_worker(self):
        """Connect with the credentials of the task's worker."""
        task = self.history.task
        grant = WorkerGrant(self.history.account, task, reader_name(task, 1))
        creds = self.stack.worker_credentials(grant, expires=utc_now() + timedelta(minutes=5))
        refusals = nats_rights.Refusals()
        async with nats_rights.signed_in(self.stack.nats_url, creds, refusals) as worker:
            yield worker

    async def publish(self, poisons):
        """Store each poison where the next event belongs."""
        async with self.as_worker() as worker:
            for number, poison in enumerate(poisons):
                head = await self.log.head(self.history)
                around = envelope(self.history.task, head.version + 1, f"evt_p{number}")
                await put(worker, self.history, poison(around))

    async def flood(self, poison, count):
        """Store so many events of a kind, one after the other."""
        head = await self.log.head(self.history)
        async with self.as_worker() as worker:
            for number in range(1, count + 1):
                around = envelope(self.history.task, head.version + number, f"evt_f{number}")
                if number % 100:
                    await worker.publish(event_subject(self.history), poison(around))
                else:
                    await put(worker, self.history, poison(around))

    async def answers(self):
        """Look at the task in every way there is."""
        for way in ("", "/state", "/events", "/usage", "/machines", "/artifacts", "/diff"):
            answer = await self.phone.request("GET", self.path + way)
            assert answer.status_code < 500, (way, answer.text)
            if way in ("", "/events", "/usage"):
                assert answer.status_code == 200, (way, answer.text)
        for path in ("/v1/tasks", "/v1/usage"):
            assert (await self.phone.request("GET", path)).status_code == 200

    async def streams(self):
        """Read the task's stream from its beginning until it has caught up."""
        stream = Stream(self.phone.gateway, device="judge", tasks={self.history.task: 0})
        async with asyncio.timeout(30), aclosing(stream.items()) as items:
            async for item in items:
                if isinstance(item, CaughtUp):
                    return

    async def shown(self):
        """Wait until the read models hold the newest event."""
        head = (await self.facts())[-1].version

        async def version():
            page = await self.phone.get("/v1/tasks")
            return next(t["version"] for t in page["data"] if t["id"] == self.history.task)

        await eventually(version, until=lambda seen: seen >= head)

    async def cancel(self):
        """Withdraw the task as its person; return the version that answers it."""
        answer = await self.phone.request(
            "POST",
            f"{self.path}/cancel",
            json={"reason": "no more"},
            headers={"Idempotency-Key": new_command_id()},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["version"]

    async def is_cancelled(self):
        """Cancel it: what the person said is the next fact, and what everybody sees."""
        version = await self.cancel()
        facts = {each.version: each for each in await self.facts()}
        assert facts[version].event == TaskCancelled(reason="no more")
        assert facts[version].by.startswith("person:")
        await self.is_seen(lambda task: (task["phase"], task.get("failure")) == ("cancelled", None))

    async def has_failed(self, reason):
        """See that it has ended by itself; to cancel it then adds nothing."""
        failed = ("failed", reason)
        await self.is_seen(
            lambda task: (task["phase"], (task.get("failure") or {}).get("reason")) == failed
        )
        await self.cancel()
        assert not any(isinstance(each.event, TaskCancelled) for each in await self.facts())
        failure = (await self.phone.task(self.history.task))["failure"]
        assert failure["reason"] == reason
        assert failure["detail"]
        assert failure["remedy"]

    async def is_seen(self, until):
        """Wait until the task is shown so, and its machine is gone."""

        async def shown():
            return await self.phone.task(self.history.task)

        async def kinds():
            return [type(each.event) for each in await self.facts()]

        await eventually(shown, until=until, seconds=40, every_seconds=0.1)
        await eventually(kinds, until=lambda k: MachineDestroyed in k, seconds=40)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def poisoners(poisoned_stack):
    """A task at work for each family."""
    async with AsyncExitStack() as left:
        phone = await signed_in(poisoned_stack)
        await left.enter_async_context(phone.gateway)
        credentials = poisoned_stack.credentials("analytics")
        reader = connect(
            poisoned_stack.nats_url,
            credentials=credentials,
            name="test",
            keys=poisoned_stack.event_keys,
        )
        log = JetStreamLog(await left.enter_async_context(reader))
        made = await repository(poisoned_stack, "slugify")
        tasks = [await phone.submit(LONG_WORK, made.url) for _ in NAMES]
        found = {
            n: Poisoner(poisoned_stack, log, phone, t) for n, t in zip(NAMES, tasks, strict=True)
        }
        for each in found.values():
            await eventually(each.is_at_work, seconds=90, every_seconds=0.2)
        yield found


def pids(poisoned_stack):
    return {name: poisoned_stack.pid(name) for name in SERVICES}


async def judge(poisoned_stack, poisoner, before, *, ended_as=""):
    """Look at a poisoned task and end it; `ended_as` is the reason with which it ends itself."""
    await poisoner.answers()
    await poisoner.streams()
    await poisoner.shown()
    if ended_as:
        await poisoner.has_failed(ended_as)
    else:
        await poisoner.is_cancelled()
    await poisoner.shown()
    await poisoner.answers()
    assert pids(poisoned_stack) == before


async def others_work(poisoned_stack, device, submitted):
    """Another account's task goes all its way, whatever is poisoned or killed meanwhile."""
    stranger = await signed_in(poisoned_stack, account="acc_stranger")
    async with stranger.gateway, asyncio.timeout(60):
        made = await repository(poisoned_stack, "slugify")
        task = await stranger.submit("rehearse 1 tool calls", made.url)
        submitted.set()
        async for _ in stranger.watch(task["id"], device=device):
            pass
        assert (await stranger.task(task["id"]))["phase"] == "finished"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("family", FAMILIES)
async def test_what_a_worker_writes_costs_its_own_task_only(poisoned_stack, poisoners, family):
    before = pids(poisoned_stack)
    await poisoners[family].publish(FAMILIES[family])
    await judge(poisoned_stack, poisoners[family], before, ended_as=ENDED_AS.get(family, ""))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("family", FLOODS)
async def test_sums_of_what_a_worker_writes_stay_within_what_can_be_stored(
    poisoned_stack, poisoners, family
):
    before = pids(poisoned_stack)
    await poisoners[family].flood(*FLOODS[family])
    await judge(poisoned_stack, poisoners[family], before, ended_as=ENDED_AS.get(family, ""))


@pytest.mark.asyncio(loop_scope="module")
async def test_others_go_on_and_the_services_start_again_over_it(poisoned_stack, poisoners):
    before = pids(poisoned_stack)
    kept = poisoners[KEPT]
    async with asyncio.TaskGroup() as through:
        submitted = asyncio.Event()
        through.create_task(others_work(poisoned_stack, "through it", submitted))
        await kept.publish(SAMPLE)
        await kept.shown()
        assert pids(poisoned_stack) == before
        await submitted.wait()

        async with asyncio.TaskGroup() as group:
            for name in SERVICES:
                group.create_task(poisoned_stack.kill(name))
        through.create_task(others_work(poisoned_stack, "after it", asyncio.Event()))
        await judge(poisoned_stack, kept, pids(poisoned_stack))
