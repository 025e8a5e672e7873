"""Live messages reach those who listen now, and bother nobody else."""

import asyncio

from events import heartbeat_subject, live_subject
from infra.log.jetstream import publish_live, subscribe_live
from tests.kit.build.event_logs import new_history
from tests.kit.probe.eventually import eventually
from tests.kit.servers.nats_connections import as_role, as_worker


async def collect(connection, subject, heard, until, **settings):
    async for said in subscribe_live(connection, subject, until=until, **settings):
        heard.append(said)


async def test_a_workers_beats_and_live_items_are_heard(servers):
    history, until = new_history(), asyncio.Event()
    beats, items = [], []
    async with (
        as_role(servers, "scheduler") as scheduler,
        as_role(servers, "projector") as projector,
        as_worker(servers, history) as worker,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(collect(scheduler, "beat.>", beats, until))
        group.create_task(collect(projector, "live.>", items, until))

        async def both_heard():
            await publish_live(worker, heartbeat_subject(history), b"alive")
            await publish_live(worker, live_subject(history), b"delta")
            return (history, b"alive") in beats and (history, b"delta") in items

        await eventually(both_heard)
        until.set()


async def test_hearing_goes_on_after_a_restart(servers):
    history, until, heard = new_history(), asyncio.Event(), []
    async with as_role(servers, "scheduler") as scheduler, asyncio.TaskGroup() as group:
        group.create_task(collect(scheduler, "beat.>", heard, until))
        async with as_worker(servers, history) as worker:
            await servers.kill("nats")

            async def heard_again():
                await publish_live(worker, heartbeat_subject(history), b"still alive")
                return heard

            await eventually(heard_again)
        until.set()
    assert (history, b"still alive") in heard


async def test_a_slow_hearer_loses_the_oldest(servers):
    history, until = new_history(), asyncio.Event()
    async with (
        as_role(servers, "scheduler") as scheduler,
        as_worker(servers, history) as worker,
    ):
        heard = subscribe_live(scheduler, heartbeat_subject(history), until=until, keep=3)

        async with asyncio.TaskGroup() as group:
            opened = group.create_task(anext(heard))

            async def heard_one():
                await publish_live(worker, heartbeat_subject(history), b"first")
                return opened.done()

            await eventually(heard_one)
        for number in range(10):
            await publish_live(worker, heartbeat_subject(history), b"%d" % number)
        await worker.client.flush()
        await eventually(lambda: scheduler.client.stats["in_msgs"], until=lambda n: n >= 11)
        await scheduler.client.flush()
        assert [(await anext(heard))[1] for _ in range(3)] == [b"7", b"8", b"9"]
        until.set()
        await heard.aclose()


async def test_what_is_said_while_the_server_is_away_is_lost_without_an_error(servers):
    history = new_history()
    async with as_worker(servers, history) as worker:
        await servers.halt("nats")
        try:
            await eventually(lambda: not worker.is_connected)
            await publish_live(worker, live_subject(history), b"nobody hears this")
        finally:
            await servers.resume("nats")
        await eventually(lambda: worker.is_connected)
