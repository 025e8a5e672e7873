"""New tasks are refused while there is still room for the ones there are."""

from datetime import timedelta
from typing import NamedTuple

import pytest

from infra.log.event_log import Unavailable
from infra.runtime.clock import DraftFactory
from services.gateway.commands.command_handler import CommandHandler
from services.gateway.commands.fork.preparation import ForkPreparation
from services.gateway.commands.log_capacity import LogCapacity
from services.gateway.problems import Refused
from services.gateway.queries.task_cache import TaskCache
from services.gateway.stores.object_store import Storage
from tests.gateway.kit.commands import ADA, ONE, RULES, THREE, TWO, CommandHarness
from tests.gateway.kit.memory_bucket import MemoryBucket, attachments_in
from tests.gateway.kit.scenario import NOON


class Size(NamedTuple):
    size_bytes: int


class GrowingLog:
    """A log of a size, asked so many times."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.asked = 0
        self.is_away = False

    async def info(self) -> Size:
        self.asked += 1
        if self.is_away:
            raise Unavailable("away")
        return Size(self.size_bytes)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self):
        return self.now


async def test_it_is_full_at_four_fifths_and_looked_at_now_and_then():
    log, clock = GrowingLog(79), Clock()
    room = LogCapacity(log, capacity_bytes=100, clock=clock)
    await room.require()
    log.size_bytes = 80
    await room.require()
    assert log.asked == 1
    clock.now += timedelta(seconds=6)
    with pytest.raises(Refused) as refused:
        await room.require()
    assert (refused.value.problem.status, refused.value.problem.code) == (503, "log_full")
    assert refused.value.problem.retryable
    assert refused.value.retry_after_seconds > 0
    log.size_bytes = 10
    clock.now += timedelta(seconds=6)
    await room.require()


async def test_nobody_asks_where_no_capacity_is_told():
    log = GrowingLog(10**12)
    await LogCapacity(log, capacity_bytes=0, clock=Clock()).require()
    assert log.asked == 0


async def test_a_log_that_does_not_answer_is_unavailable():
    log = GrowingLog(1)
    log.is_away = True
    with pytest.raises(Refused) as refused:
        await LogCapacity(log, capacity_bytes=100, clock=Clock()).require()
    assert refused.value.problem.code == "unavailable"


async def test_a_full_log_takes_no_new_task_and_everything_else():
    harness, size, clock = CommandHarness(), GrowingLog(1), Clock()
    recall = TaskCache(harness.log, clock)
    harness.commands = CommandHandler(
        harness.log,
        recall=recall,
        attachments=attachments_in(MemoryBucket(), recall, clock),
        forks=ForkPreparation(harness.log, Storage(MemoryBucket()), RULES),
        rules=RULES,
        draft_factory=DraftFactory(clock),
        room=LogCapacity(size, capacity_bytes=100, clock=clock),
    )
    performed = await harness.submit(ONE)
    size.size_bytes = 90
    clock.now += timedelta(seconds=6)
    with pytest.raises(Refused, match="90% full"):
        await harness.submit(THREE, ADA)
    assert await harness.submit(ONE) == performed
    assert (await harness.say(performed.task, "instruct", TWO, text="go on")).version == 2
