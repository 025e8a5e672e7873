"""A server away for a while costs a task time; one that stays away is named, not called a crash."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from events import (
    AttemptEnded,
    AttemptStarted,
    MachineLost,
    SnapshotTaken,
    TaskAbandoned,
    TaskFailed,
    TaskFinished,
    ToolCompleted,
)
from tests.kit.faults.outages import halted
from tests.kit.run.phone import pull_requests, repository, signed_in
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import RealStack, real_stack

PROMPT = "rehearse 3 tool calls"
LONG = 150


@pytest.fixture(scope="module")
def hasty() -> Iterator[RealStack]:
    """A stack whose workers wait 5 seconds, and whose scheduler gives an outage 15."""
    environment = {
        "WORKER_PATIENCE_SECONDS": "5",
        "OUTAGE_SECONDS": "15",
        "RETRY_BACKOFF_SECONDS": "1,1,1",
    }
    with server_directory() as place, real_stack(place, environment=environment) as running:
        yield running


def kinds(seen, kind):
    return [event for event in seen if isinstance(event, kind)]


async def test_an_attempt_that_the_object_store_ended_says_so_and_the_next_one_finishes(hasty):
    phone = await signed_in(hasty)
    async with phone.gateway, asyncio.timeout(LONG):
        made = await repository(hasty, "slugify")
        task = await phone.submit(PROMPT, made.url)
        seen = []
        async with halted(hasty, "storage") as back:
            async for recorded in phone.watch(task["id"]):
                seen.append(recorded.event)
                if isinstance(recorded.event, AttemptEnded) and len(kinds(seen, AttemptEnded)) == 1:
                    await back()
    first = kinds(seen, AttemptEnded)[0]
    assert first.reason == "object_store_unreachable"
    assert first.detail.startswith("The object store did not answer for")
    assert "object_store_unreachable" in kinds(seen, MachineLost)[0].detail
    assert isinstance(seen[-1], AttemptEnded | TaskFinished)
    assert kinds(seen, TaskFinished)
    assert kinds(seen, SnapshotTaken)
    assert len(await pull_requests(hasty, made, task["id"])) == 1


async def test_an_object_store_that_stays_away_is_what_the_task_ends_of(hasty):
    phone = await signed_in(hasty)
    async with phone.gateway, asyncio.timeout(LONG):
        made = await repository(hasty, "slugify")
        async with halted(hasty, "storage"):
            task = await phone.submit(PROMPT, made.url)
            seen = [recorded.event for recorded in await phone.until_end(task["id"])]
    [abandoned] = kinds(seen, TaskAbandoned)
    assert abandoned.reason == "object_store_unreachable"
    assert "The object store did not answer for" in abandoned.detail
    assert "memory" not in abandoned.remedy


async def test_a_forge_that_stays_away_is_what_the_task_fails_of(hasty):
    phone = await signed_in(hasty)
    async with phone.gateway, asyncio.timeout(LONG):
        made = await repository(hasty, "slugify")
        async with halted(hasty, "forge"):
            task = await phone.submit(PROMPT, made.url)
            seen = [recorded.event for recorded in await phone.until_end(task["id"])]
    [failed] = kinds(seen, TaskFailed)
    assert failed.reason == "forge_unreachable"
    assert "The forge did not answer for" in failed.detail
    assert failed.remedy


@pytest.mark.parametrize("away", ["broker", "forge"])
async def test_what_is_away_while_a_task_clones_costs_no_attempt(stack, phone, away):
    made = await repository(stack, "slugify")
    forge, seen = stack.pid("forge"), []
    os.kill(forge, signal.SIGSTOP)  # so the clone is under way when the outage begins
    try:
        async with asyncio.timeout(LONG):
            task = await phone.submit(PROMPT, made.url)
            async for recorded in phone.watch(task["id"]):
                seen.append(recorded.event)
                if isinstance(recorded.event, AttemptStarted):
                    os.kill(forge, signal.SIGCONT)
                    async with halted(stack, away):
                        pass
    finally:
        if away != "forge":
            os.kill(forge, signal.SIGCONT)
    assert len(kinds(seen, AttemptStarted)) == 1
    assert isinstance(seen[-1], TaskFinished | AttemptEnded)
    assert kinds(seen, TaskFinished)
    assert len(kinds(seen, ToolCompleted)) >= 3
