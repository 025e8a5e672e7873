"""A watching client, while Redis is emptied and killed, gateways come and go and its line breaks.

It ends with exactly the log's events, in order. EVENTS (600) says how long the history gets.
"""

import asyncio
import os
import random
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import redis.asyncio as redis

from clients.cli.gateway.client import Gateway
from clients.cli.protocol.reconnect_policy import StreamTimings
from clients.cli.stream.client import Stream
from events import History, Recorded, TaskInstructed
from infra.log.jetstream import JetStreamLog, connect
from infra.runtime.clock import DraftFactory, utc_now
from services.projector.live.loop import LiveLoop
from tests.kit.faults.network_link import wire
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import World, running_gateway, settings_for

EVENTS = int(os.environ.get("EVENTS", "600"))
QUICK = StreamTimings(min_pause_seconds=0.05, max_pause_seconds=0.3)
DRAFT_FACTORY = DraftFactory(utc_now)


class Ending:
    """`is_wanted` asks for the end; `version` is the last version once it is known."""

    def __init__(self) -> None:
        self.is_wanted = False
        self.version = 0


class Phone:
    """Somebody who watches one task; `bodies` is what came of it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def watch(self, url: str, token: str, history: History) -> None:
        async with Gateway(url, token) as gateway:
            stream = Stream(gateway, device="phone", tasks={history.task: 0}, timings=QUICK)
            async with aclosing(stream.items()) as items:
                async for item in items:
                    if isinstance(item, Recorded):
                        self.bodies.append(item.body)

    async def more(self) -> None:
        """Wait until it has seen some more."""
        wanted = len(self.bodies) + 10
        await eventually(lambda: len(self.bodies) >= wanted, seconds=60)


async def write(log, history, ending) -> None:
    """Append without a pause for long, now one event and now a heap of them."""
    head = await log.head(history)
    chance = random.Random(1)
    while head.version < EVENTS or not ending.is_wanted:
        facts = [TaskInstructed(text="On" * 200)] * chance.choice((1, 1, 1, 2, 5))
        head = await log.append(history, DRAFT_FACTORY.drafts(facts, by="t"), after=head)
        await asyncio.sleep(0.02)
    ending.version = head.version


async def break_line(line, phone) -> None:
    """Cut the line again and again, wherever the phone has come to meanwhile."""
    chance = random.Random(2)
    while True:
        wanted = len(phone.bodies) + chance.randrange(1, 30)
        while len(phone.bodies) < wanted:
            await asyncio.sleep(0.01)
        line.cut()


@asynccontextmanager
async def told(servers, client):
    """The projector's live loop, as it is deployed."""
    stopping = asyncio.Event()
    credentials = servers.credentials("projector")
    async with (
        connect(
            servers.nats_url, credentials=credentials, name="test", keys=servers.event_keys
        ) as connection,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(LiveLoop(JetStreamLog(connection), client).run(stopping))
        yield
        stopping.set()


async def test_whatever_breaks_the_client_ends_with_the_log(servers, fresh_database):
    phone, ending = Phone(), Ending()
    async with AsyncExitStack() as held, asyncio.timeout(240):
        client = await held.enter_async_context(redis.Redis.from_url(servers.redis_url))
        operator = servers.credentials("operator")
        log = JetStreamLog(
            await held.enter_async_context(
                connect(
                    servers.nats_url, credentials=operator, name="test", keys=servers.event_keys
                )
            )
        )
        line = await held.enter_async_context(wire())
        await held.enter_async_context(told(servers, client))
        group = await held.enter_async_context(asyncio.TaskGroup())

        def settings(port):
            return settings_for(servers, fresh_database, port, public_url="http://phone.test")

        async with running_gateway(settings) as url:
            line.lead_to(url)
            async with AsyncExitStack() as clients:
                ada = await World(url, log, clients, client).person("ada")
                history = ada.history(await ada.submit())
            group.create_task(write(log, history, ending))
            watching = group.create_task(phone.watch(line.url, ada.token, history))
            breaking = group.create_task(break_line(line, phone))
            await phone.more()
            await client.flushall()
            await phone.more()
        async with running_gateway(settings) as url:
            line.lead_to(url)
            await phone.more()
            await servers.kill("redis")
            await phone.more()
        async with running_gateway(settings) as url:
            line.lead_to(url)
            await phone.more()
            await client.flushall()
            ending.is_wanted = True
            await eventually(lambda: len(phone.bodies) >= ending.version > 0, seconds=120)
            watching.cancel()
            breaking.cancel()

        stored = await log.read(history)
    assert phone.bodies == [recorded.body for recorded in stored]
    assert len(stored) >= EVENTS
    assert line.connections > 3
