"""A worker's message longer than 256 KiB ends that worker's connection, and touches nobody else.

The client here keeps no limit of its own, as an attacker's: what refuses is the server.
"""

import asyncio
import json
import sys
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

import psutil
import pytest

from events import (
    AccountId,
    AttemptEnded,
    History,
    MachineDestroyed,
    TaskCancelled,
    TaskFinished,
    TaskId,
    ToolStarted,
    event_subject,
    heartbeat_subject,
    live_subject,
)
from events.protocol.readers import reader_name
from infra.log.nats_permissions import MAX_WORKER_MESSAGE_BYTES, WorkerGrant
from infra.runtime.clock import utc_now
from tests.kit.laws.nats_rights import Refusals
from tests.kit.laws.nats_rights import signed_in as nats_signed_in
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import repository, stored

SERVICES = ("gateway", "broker", "scheduler", "projector")
ROOM_BYTES = 1024
"""For the headers of a request."""
LONG_WORK = "rehearse 1 tool calls of 300 seconds"
SUBJECTS = {"event": event_subject, "beat": heartbeat_subject, "live": live_subject}
TOO_LONG = [
    ("event", MAX_WORKER_MESSAGE_BYTES + 1),
    ("event", 64 * 1024 * 1024),
    ("beat", 900 * 1024),  # a service may send so much
    ("live", MAX_WORKER_MESSAGE_BYTES + 1),
]


def history_of(task):
    return History(AccountId(task["account"]), TaskId(task["id"]))


async def at_work(stack, phone):
    """Submit a task; return it once its worker runs a tool for minutes."""
    made = await repository(stack, "slugify")
    task = await phone.submit(LONG_WORK, made.url)

    async def kinds():
        return [type(recorded.event) for recorded in await stored(stack, task)]

    await eventually(kinds, until=lambda seen: ToolStarted in seen, seconds=60, every_seconds=0.2)
    return task


def unlimited(stack, task, refusals):
    """NATS with the credentials of the task's worker, by a client that checks no length."""
    grant = WorkerGrant(task["account"], task["id"], reader_name(task["id"], 1))
    creds = stack.worker_credentials(grant, expires=utc_now() + timedelta(minutes=5))
    return nats_signed_in(stack.nats_url, creds, refusals)


async def publish_too_long(stack, task, subject, body):
    """Publish it; return when the server has closed the connection."""
    async with unlimited(stack, task, Refusals()) as client:
        client._max_payload = sys.maxsize  # else nats-py refuses by itself
        await client.publish(subject, body)
        await eventually(lambda: client.is_closed, seconds=20)


def worker_of(stack, task):
    """The process of the task's worker."""
    for child in psutil.Process(stack.pid("machines")).children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if (
                child.environ().get("TASK_ID") == task["id"]
                and "services.worker" in child.cmdline()
            ):
                return child.pid
    raise AssertionError("The task has no worker.")


def connections(stack, pids):
    """The sockets by which each process is connected to NATS: another one is a new connection."""
    port = urlsplit(stack.nats_url).port
    return {
        pid: {
            each.laddr.port
            for each in psutil.Process(pid).net_connections()
            if each.raddr and each.raddr.port == port
        }
        for pid in pids
    }


@pytest.mark.parametrize(("kind", "size_bytes"), TOO_LONG)
async def test_a_message_that_is_too_long_ends_the_connection_that_sends_it_and_no_other(
    attacked, phone, victim, kind, size_bytes
):
    task = await at_work(attacked, phone)
    pids = [attacked.pid(name) for name in SERVICES] + [worker_of(attacked, task)]
    before = connections(attacked, pids)
    assert all(before.values())
    head = len(await stored(attacked, task))

    async with asyncio.TaskGroup() as group:
        group.create_task(work_as_usual(attacked, victim))
        subject = SUBJECTS[kind](history_of(task))
        await publish_too_long(attacked, task, subject, b"x" * size_bytes)

    assert connections(attacked, pids) == before
    assert len(await stored(attacked, task)) == head
    await cancel_is_done_by_its_own_worker(attacked, phone, task)
    assert [attacked.pid(name) for name in SERVICES] == pids[:-1]


async def test_what_is_as_long_as_it_may_be_is_taken(attacked, phone):
    task = await at_work(attacked, phone)
    async with unlimited(attacked, task, Refusals()) as client:
        await client.publish(live_subject(history_of(task)), b"x" * MAX_WORKER_MESSAGE_BYTES)
        await client.flush()
        body = b"x" * (MAX_WORKER_MESSAGE_BYTES - ROOM_BYTES)
        answer = await client.request(event_subject(history_of(task)), body, timeout=10)
        assert "seq" in json.loads(answer.data), answer.data
    await cancel_is_done_by_its_own_worker(attacked, phone, task)


async def work_as_usual(stack, phone):
    """Another account's task goes all its way."""
    made = await repository(stack, "slugify")
    task = await phone.submit("rehearse 1 tool calls", made.url)
    async with asyncio.timeout(60):
        seen = await phone.until_end(task["id"])
    assert isinstance(seen[-1].event, TaskFinished)


async def cancel_is_done_by_its_own_worker(stack, phone, task):
    """Cancel it: the worker still listens, and says goodbye itself."""
    await phone.post(f"/v1/tasks/{task['id']}/cancel", {})

    async def facts():
        return [recorded.event for recorded in await stored(stack, task)]

    seen = await eventually(
        facts, until=lambda all_: any(isinstance(each, MachineDestroyed) for each in all_)
    )
    assert any(isinstance(each, TaskCancelled) for each in seen)
    assert AttemptEnded(attempt=1, reason="cancelled") in seen
    assert (await phone.task(task["id"]))["phase"] == "cancelled"
