"""A worker with real credentials floods the log: its task ends, and others work on."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

import httpx
import pytest
from nats.aio.client import Client

from clients.cli.gateway.client import Gateway
from events import (
    AccountId,
    ApprovalRequested,
    Head,
    History,
    MachineDestroyed,
    MachineStarted,
    TaskAbandoned,
    TaskFinished,
    TaskId,
    ToolCompleted,
    event_subject,
)
from events.limits import MAX_TEXT_CHARACTERS
from events.protocol.api.sessions import Session
from events.protocol.readers import reader_name
from infra.log.event_mac import NO_KEYS
from infra.log.jetstream import connect
from infra.log.jetstream.dead_letters.letters import dead_letters_of
from infra.log.jetstream.dead_letters.parking import MAX_LETTERS
from infra.log.jetstream.write.append import encode_messages
from infra.log.nats_permissions import WorkerGrant
from infra.runtime.clock import DraftFactory, utc_now
from tests.kit.laws.nats_rights import Refusals
from tests.kit.laws.nats_rights import signed_in as nats_signed_in
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import Phone, repository, signed_in, stored
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import real_stack

WAITS = "Clear away what running the tests leaves behind."  # asks a person before `rm -rf`
HISTORY_BYTES = 12 * 1024 * 1024
JUNK_BYTES = 200_000
MAX_FLOOD = 500
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def stack():
    """A stack of our own, in which a history may have no more than 12 MiB."""
    environment = {"HISTORY_BYTES_PER_TASK": str(HISTORY_BYTES)}
    with (
        server_directory() as directory,
        real_stack(directory, environment=environment) as running,
    ):
        yield running


@pytest.fixture
async def phone(stack):
    phone = await signed_in(stack)
    async with phone.gateway:
        yield phone


@asynccontextmanager
async def other_account(stack):
    """A phone of another account."""
    headers = {"Authorization": f"Bearer {stack.operator_token}"}
    async with httpx.AsyncClient(
        base_url=stack.gateway_url, headers=headers, trust_env=False
    ) as operator:
        answer = await operator.post("/v1/pairings", json={"account": "acc_innocent"})
        code = answer.raise_for_status().json()["code"]
    async with Gateway(stack.gateway_url) as nobody:
        body = {"code": code, "device": {"name": "other", "platform": "ios"}}
        token = (await nobody.post("/v1/sessions", body, Session)).token
    async with Gateway(stack.gateway_url, token) as gateway:
        yield Phone(gateway)


async def waiting_task(stack, phone):
    """Submit a task whose worker waits for a person; return it, and where its history ends."""
    made = await repository(stack, "slugify")
    task = await phone.submit(WAITS, made.url, policy="risky")
    async for recorded in phone.watch(task["id"]):
        if isinstance(recorded.event, ApprovalRequested):
            return task, recorded.head
    raise AssertionError("It did not ask.")


@asynccontextmanager
async def worker_of(stack, task):
    """NATS as the task's worker has it."""
    grant = WorkerGrant(task["account"], task["id"], reader_name(task["id"], 1))
    credentials = stack.worker_credentials(grant, expires=utc_now() + timedelta(minutes=5))
    async with nats_signed_in(stack.nats_url, credentials, Refusals()) as client:
        yield client


def history_of(task):
    return History(AccountId(task["account"]), TaskId(task["id"]))


def junk(_task, _head):
    """Yield messages that are not events."""
    for number in range(MAX_FLOOD):
        yield f"junk {number} ".encode() + b"x" * JUNK_BYTES, {}


def small_junk(_task, _head):
    for number in range(MAX_FLOOD):
        yield f"junk {number}".encode(), {}


def events(task, head):
    """Yield events as a worker writes them, each the next of its history."""
    draft_factory, text = DraftFactory(utc_now), "x" * MAX_TEXT_CHARACTERS
    for version in range(head.version, head.version + MAX_FLOOD):
        event = ToolCompleted(call=f"call_{version}", output=text, diff=text)
        [message] = encode_messages(
            history_of(task),
            draft_factory.drafts([event], by="worker:1"),
            Head(version, 0),
            keys=NO_KEYS,
        )
        yield message.body, message.headers


async def flood(client: Client, task, messages, until: asyncio.Event):
    """Publish as fast as it goes, until the attacker's machine is taken."""
    for body, headers in messages:
        if until.is_set():
            return
        await client.publish(event_subject(history_of(task)), body, headers=headers or None)
        await asyncio.sleep(0)


async def work_as_usual(stack, phone):
    """Do another account's task from beginning to end; return how many seconds it took."""
    made = await repository(stack, "slugify")
    began = monotonic()
    task = await phone.submit("rehearse 3 tool calls", made.url)
    seen = await phone.until_end(task["id"])
    assert isinstance(seen[-1].event, TaskFinished)
    return monotonic() - began


async def until_fenced(stack, phone, task):
    """Wait until the task has ended, as its owner sees it, and return its events."""

    async def shown():
        return await phone.task(task["id"])

    await eventually(shown, until=lambda seen: seen["phase"] == "failed", seconds=PATIENCE_SECONDS)
    return [recorded.event for recorded in await stored(stack, task)]


@pytest.mark.parametrize("messages", [junk, events])
async def test_who_floods_the_log_is_taken_off_it_and_others_work_on(stack, phone, messages):
    task, head = await waiting_task(stack, phone)
    is_fenced = asyncio.Event()
    async with (
        other_account(stack) as other,
        worker_of(stack, task) as client,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(flood(client, task, messages(task, head), is_fenced))
        others_seconds = group.create_task(work_as_usual(stack, other))
        facts = await until_fenced(stack, phone, task)
        is_fenced.set()

    [ended] = [fact for fact in facts if isinstance(fact, TaskAbandoned)]
    assert ended.reason == "history_too_large"
    assert ended.detail
    assert ended.remedy
    [machine] = [fact.machine for fact in facts if isinstance(fact, MachineStarted)]
    assert [f.machine for f in facts if isinstance(f, MachineDestroyed)] == [machine]
    assert others_seconds.result() < PATIENCE_SECONDS

    began = monotonic()
    page = await phone.get(f"/v1/tasks/{task['id']}/events")
    assert page["data"][0]["type"] == "task.submitted"
    assert monotonic() - began < 10
    await assert_few_letters(stack, task)
    assert await phone.get("/v1/tasks")


async def assert_few_letters(stack, task):
    async with connect(
        stack.nats_url, credentials=stack.credentials("operator"), name="test"
    ) as connection:
        found = await dead_letters_of(connection, event_subject(history_of(task)))
    by_reader = {letter.reader for letter in found}
    for reader in by_reader:
        assert len([each for each in found if each.reader == reader]) <= MAX_LETTERS + 1


async def test_an_instruction_to_a_flooded_task_starts_no_machine(stack, phone):
    task, head = await waiting_task(stack, phone)
    async with worker_of(stack, task) as client:
        for body, _ in small_junk(task, head):
            await client.publish(event_subject(history_of(task)), body)
        await client.flush()
        await until_fenced(stack, phone, task)
    body = {"text": "Go on."}
    await phone.post(f"/v1/tasks/{task['id']}/instructions", body)

    async def ends():
        facts = [recorded.event for recorded in await stored(stack, task)]
        return [fact for fact in facts if isinstance(fact, MachineStarted | TaskAbandoned)]

    started, *ended = await eventually(ends, until=lambda facts: len(facts) > 2)
    assert isinstance(started, MachineStarted)
    assert [fact.reason for fact in ended] == ["history_too_large"] * 2
