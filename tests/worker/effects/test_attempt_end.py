"""A worker whose attempt is over ends, though its log can no longer tell it so."""

import asyncio
from datetime import timedelta

import pytest

from infra.log.event_log import Unavailable
from infra.log.jetstream import AttemptLog, create_reader, delete_reader
from infra.runtime.clock import utc_now
from services.worker.effects.attempt_end import AttemptOver, end_when_over
from services.worker.effects.broker_client import BrokerClient
from tests.kit.build.event_logs import drafts
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import a_world
from tests.kit.servers.nats_connections import as_role, as_worker


def in_seconds(seconds):
    return utc_now() + timedelta(seconds=seconds)


@pytest.fixture
async def world(servers, fresh_database):
    async with a_world(servers, fresh_database) as made:
        yield made


@pytest.fixture
async def ada(world):
    return await world.person("ada")


async def test_a_fenced_worker_whose_reader_is_gone_ends(servers, world, ada):
    """The broker, a worker's own rights, and a reader that went with the attempt: all real."""
    task = await ada.submit()
    history = ada.history(task)
    client = await world.worker(await world.attempt(history, 1))
    token = client.headers["Authorization"].removeprefix("Bearer ")
    broker = BrokerClient(await world.broker_client(), token)
    assert await broker.holds()
    async with as_role(servers, "scheduler") as scheduler, as_worker(servers, history) as nats:
        reader = await create_reader(scheduler, history, 1)
        log = AttemptLog(nats, history, reader, verify=_all_genuine, deadline_seconds=2)
        async with log, asyncio.TaskGroup() as group:
            stale = (await log.catch_up())[-1].head
            ending = group.create_task(_ended(log, broker, deadline=in_seconds(600)))
            await delete_reader(scheduler, history, 1)
            await world.attempt(history, 2)
            with pytest.raises(Unavailable):
                await log.append(drafts("late"), after=stale)
            await asyncio.wait_for(ending, 30)


async def test_a_worker_past_its_deadline_ends_whatever_it_waits_for():
    async def holds():
        return True

    with pytest.raises(AttemptOver, match="time is up"):
        await end_when_over(
            lambda: True, holds, deadline=in_seconds(0.2), clock=utc_now, look_seconds=0.05
        )


async def test_a_worker_that_is_only_cut_off_goes_on():
    """A gateway that is away, or a scheduler that is slow, ends nothing."""
    asked = []

    async def holds():
        asked.append(True)
        return True

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(
            end_when_over(
                lambda: True, holds, deadline=in_seconds(60), clock=utc_now, look_seconds=0.01
            )
        )
        await eventually(lambda: len(asked) > 3)
        assert not watching.done()
        watching.cancel()


async def _ended(log, broker, *, deadline):
    with pytest.raises(AttemptOver, match="Another attempt"):
        await end_when_over(
            lambda: log.is_waiting_for_reader,
            broker.holds,
            deadline=deadline,
            clock=utc_now,
            look_seconds=0.2,
        )


async def _all_genuine(events):
    return [True] * len(events)
