"""Erasing a history that is full: it takes no end and no tombstone, and goes all the same."""

import secrets

import pytest

from events import (
    AccountId,
    Guest,
    History,
    MachineRequested,
    MachineStarted,
    Repository,
    TaskErased,
    TaskId,
    TaskSubmitted,
    event_subject,
)
from infra.log.event_log import Refused
from infra.log.jetstream import JetStreamLog
from infra.log.jetstream.admin.erasure import HistoryCapacity
from infra.log.jetstream.connection.api import MAX_EVENTS_PER_TASK
from infra.runtime.clock import DraftFactory, utc_now
from tests.kit.run.operator_commands import operate, operator_environment
from tests.kit.servers.nats_connections import as_admin

CANARY = secrets.token_hex(8).encode()
BEGINNING = (
    TaskSubmitted(prompt="p", repository=Repository("http://f/a/b"), model="m"),
    MachineRequested(
        attempt=1, name="n", region="r", guest=Guest("shared", 1, 256), deadline=utc_now()
    ),
    MachineStarted(attempt=1, machine="m", region="r", seconds=1),
)


@pytest.fixture
async def admin(servers):
    async with as_admin(servers) as connection:
        yield connection


@pytest.fixture
async def full(admin):
    """A task at work whose worker has filled its subject; returned with the log."""
    history = History(AccountId("acc_full"), TaskId(f"task_{secrets.token_hex(8)}"))
    log = JetStreamLog(admin)
    for fact in BEGINNING:
        drafts = DraftFactory(utc_now).drafts([fact], by="test")
        await log.append(history, drafts, after=await log.head(history))
    subject, junk = event_subject(history), b"junk " + CANARY
    for _ in range(MAX_EVENTS_PER_TASK - len(BEGINNING) - 1):
        await admin.publish(subject, junk)
    await admin.request(subject, junk, within_seconds=60)  # answered when all before is stored
    return history, log


async def is_full(log, history):
    drafts = DraftFactory(utc_now).drafts([TaskErased(reason="")], by="test")
    head = (await log.read(history))[-1].head
    with pytest.raises(Refused):
        await log.append(history, drafts, after=head)


async def remaining(log, history):
    return [(each.version, each.event) for each in await log.read(history)]


async def test_a_full_history_is_erased_though_its_end_could_not_be_written(
    servers, full, admin, tmp_path
):
    history, log = full
    await is_full(log, history)

    said = await operate(
        operator_environment(servers, tmp_path),
        tmp_path,
        "erase",
        history.task,
        "--reason",
        "asked",
        "--yes",
    )

    assert "`task.erased` stands at version 4" in said
    assert await remaining(log, history) == [(4, TaskErased(reason="asked"))]
    assert await HistoryCapacity(admin).remaining_head(history) == await log.head(history)


async def test_an_erasure_of_a_full_history_that_broke_off_is_finished(
    servers, full, admin, tmp_path
):
    """It ended after it had made room, and before the tombstone was written."""
    history, log = full
    head = (await log.read(history))[-1].head
    await HistoryCapacity(admin).make(history, head)
    assert await log.read(history) == []
    assert await HistoryCapacity(admin).remaining_head(history) == head

    await operate(
        operator_environment(servers, tmp_path),
        tmp_path,
        "erase",
        history.task,
        "--reason",
        "asked",
        "--yes",
    )

    assert await remaining(log, history) == [(4, TaskErased(reason="asked"))]
    assert await HistoryCapacity(admin).is_full(history) is False
