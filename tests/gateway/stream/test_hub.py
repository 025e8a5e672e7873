"""The hub on a real Redis: what is lost on the way is found again, and nothing is kept for ever."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import redis.asyncio as redis
import uvloop

from events import NOWHERE, AccountId, Repository, TaskSubmitted
from infra.log.event_log import Unavailable
from infra.log.jetstream import JetStreamLog
from infra.stores.live_channels import feed_channel
from services.gateway.stream.hub import Hub
from services.gateway.stream.redis_connection import RedisReader
from services.gateway.stream.rules.ephemeral import EphemeralItem
from tests.kit.build.event_logs import drafts
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import DRAFT_FACTORY, Folded, Logbook, new_history
from tests.kit.servers.nats_connections import as_admin
from tests.kit.servers.stack import RealServers


class Watching:
    """Somebody who notes what there is to note."""

    def __init__(self) -> None:
        self.wakes = 0
        self.heard: list[bytes] = []

    def wake(self) -> None:
        self.wakes += 1

    def receive(self, passing: EphemeralItem) -> None:
        self.heard.append(passing.item)


@asynccontextmanager
async def running(servers: RealServers, **options: Any) -> AsyncIterator[tuple[Hub, Logbook]]:
    client = redis.Redis.from_url(servers.redis_url)
    logbook = Logbook(client)
    hub = Hub(logbook.log, RedisReader(servers.redis_url), Folded(logbook.log), **options)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.run(stopping))
        await eventually(lambda: hub._channels.is_connected)
        try:
            yield hub, logbook
        finally:
            stopping.set()
            await client.aclose()


async def test_what_redis_tells_is_there_without_asking_the_log(servers: RealServers) -> None:
    history = new_history()
    async with running(servers) as (hub, logbook), hub.watch(history, Watching()) as feed:
        recorded = await logbook.append(history)
        await eventually(lambda: feed.high == 1, seconds=2)

        page = feed.after(0, max_events=9, max_bytes=9999)
    assert page == [(1, recorded.body)]


async def test_a_gap_is_filled_at_once(servers: RealServers) -> None:
    history = new_history()
    async with running(servers) as (hub, logbook), hub.watch(history, Watching()) as feed:
        await logbook.append(history)
        await logbook.grow(history, 2, is_told=False)
        await logbook.append(history)
        await eventually(lambda: feed.high == 4, seconds=2)


async def test_a_lost_last_message_is_found_by_the_check(servers: RealServers) -> None:
    history = new_history()
    async with (
        running(servers, check_seconds=0.2) as (hub, logbook),
        hub.watch(history, Watching()) as feed,
    ):
        await logbook.grow(history, 3, is_told=False)
        await eventually(lambda: feed.high == 3, seconds=3)


async def test_a_killed_redis_costs_no_event(servers: RealServers) -> None:
    history = new_history()
    async with running(servers) as (hub, logbook), hub.watch(history, Watching()) as feed:
        await logbook.append(history)
        await eventually(lambda: feed.high == 1)
        await servers.kill("redis")
        await logbook.grow(history, 3, is_told=False)

        await eventually(lambda: feed.high == 4, seconds=20)
        await eventually(lambda: _is_heard(logbook, history), seconds=5)


async def _is_heard(logbook: Logbook, history: Any) -> bool:
    try:
        return await logbook.hint(history, b"{}") == 1
    except redis.RedisError:
        return False


async def test_a_watch_that_begins_while_redis_is_away_is_caught_up_later(
    servers: RealServers,
) -> None:
    history = new_history()
    async with running(servers) as (hub, logbook):
        await logbook.append(history, is_told=False)
        async with halted(servers, "redis") as resume:
            await eventually(lambda: not hub._channels.is_connected)
            async with hub.watch(history, Watching()) as feed:
                assert feed.high == 1
                await logbook.append(history, is_told=False)
                await resume()
                await eventually(lambda: feed.high == 2, seconds=5)


async def test_a_message_that_is_no_frame_harms_nothing(servers: RealServers) -> None:
    history = new_history()
    client = redis.Redis.from_url(servers.redis_url)
    async with running(servers) as (hub, logbook), hub.watch(history, Watching()) as feed:
        await logbook.append(history)
        await client.publish(feed_channel(history), b"short")
        await logbook.append(history)
        await eventually(lambda: feed.high == 2, seconds=2)
        assert hub._channels.is_connected
    await client.aclose()


async def test_a_log_that_is_away_is_asked_again_later(servers: RealServers) -> None:
    history = new_history()
    async with (
        running(servers, check_seconds=0.1) as (hub, logbook),
        hub.watch(history, Watching()) as feed,
    ):
        reads = 0

        async def away(*_: Any, **__: Any) -> Any:
            nonlocal reads
            reads += 1
            raise Unavailable("away")

        read, logbook.log.read = logbook.log.read, away  # type: ignore[method-assign]
        await logbook.append(history, is_told=False)
        await logbook.append(history)
        await eventually(lambda: reads >= 2)
        assert feed.high == 0
        logbook.log.read = read  # type: ignore[method-assign]
        await eventually(lambda: feed.high == 2, seconds=3)


async def test_two_who_watch_share_a_feed_and_it_stays_while_one_does(servers: RealServers) -> None:
    history = new_history()
    async with running(servers, check_seconds=0.05, linger_seconds=0.1) as (hub, logbook):
        await logbook.append(history)
        async with hub.watch(history, Watching()) as feed:
            async with hub.watch(history, Watching()) as same:
                assert same is feed
            channel = feed_channel(history)
            await asyncio.sleep(0.4)  # longer than anything lingers
            assert hub._feeds == {channel: feed}
            await logbook.append(history)
            await eventually(lambda: feed.high == 2, seconds=2)
        await eventually(lambda: not hub._feeds)
        assert hub._idle_since == {}
        assert hub._channels._channels == {}


async def test_who_comes_back_soon_finds_the_feed_as_it_was(servers: RealServers) -> None:
    history = new_history()
    async with running(servers) as (hub, logbook):
        await logbook.append(history)
        async with hub.watch(history, Watching()) as feed:
            pass
        await logbook.append(history)
        await eventually(lambda: feed.high == 2)
        async with hub.watch(history, Watching()) as again:
            assert again is feed
            assert hub._idle_since == {}


async def test_a_watch_that_is_cancelled_while_it_begins_leaves_nothing(
    servers: RealServers,
) -> None:
    history = new_history()
    async with running(servers) as (hub, logbook):
        await logbook.append(history, is_told=False)
        begun = asyncio.Event()

        async def slow(_: Any) -> Any:
            begun.set()
            await asyncio.sleep(600)

        logbook.log.head = slow  # type: ignore[method-assign]

        async def watch() -> None:
            async with hub.watch(history, Watching()):
                raise AssertionError("it never loads")

        async with asyncio.TaskGroup() as group:
            task = group.create_task(watch())
            await begun.wait()
            task.cancel()
        assert hub._feeds == {}
        assert hub._channels._channels == {}


async def test_events_yields_the_history_and_then_the_news(servers: RealServers) -> None:
    history = new_history()
    async with running(servers) as (hub, logbook):
        await logbook.grow(history, 3)
        async with aclosing(hub.events(history, 1)) as pages:
            assert [version for version, _ in await anext(pages)] == [2, 3]
            waiting = asyncio.ensure_future(anext(pages))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            recorded = await logbook.append(history)
            assert await waiting == [(4, recorded.body)]
        assert not any(feed.watchers for feed in hub._feeds.values())


async def test_events_older_than_the_ring_come_from_the_log_in_pages(servers: RealServers) -> None:
    history = new_history()
    async with running(servers) as (hub, logbook):
        await logbook.grow(history, 2600, is_told=False)
        seen: list[int] = []
        async with aclosing(hub.events(history, 0)) as pages:
            while len(seen) < 2600:
                page = await anext(pages)
                assert 0 < len(page) <= 500
                seen += [version for version, _ in page]

    assert seen == list(range(1, 2601))


async def test_passing_items_reach_who_watches(servers: RealServers) -> None:
    history = new_history()
    watcher = Watching()
    async with running(servers) as (hub, logbook), hub.watch(history, watcher):
        item = b'{"t":"eph","task":"task_1","kind":"text","block":"1.0","offset":0,"text":"a"}'
        await logbook.hint(history, item)
        await eventually(lambda: watcher.heard == [item], seconds=2)


async def test_it_hears_redis_under_uvloop_too(servers: RealServers) -> None:
    """The gateway runs on uvloop, whose transports derive from nothing of asyncio's."""

    async def receive() -> bool:
        history = new_history()
        async with running(servers) as (hub, logbook), hub.watch(history, Watching()) as feed:
            await logbook.append(history)
            await eventually(lambda: feed.high == 1, seconds=3)
            return True

    heard: list[bool] = []
    thread = threading.Thread(target=lambda: heard.append(uvloop.run(receive())))
    thread.start()
    await asyncio.to_thread(thread.join)

    assert heard == [True]


async def test_it_stands_on_the_real_log(servers: RealServers) -> None:
    history = new_history(AccountId("acc_" + "a" * 26))
    submitted = TaskSubmitted(prompt="p", repository=Repository("u"), model="m")
    async with as_admin(servers) as nats:
        log = JetStreamLog[Any](nats)
        head = await log.append(history, DRAFT_FACTORY.drafts([submitted], by="t"), after=NOWHERE)
        lists = Folded(InMemoryLog())
        hub = Hub(log, RedisReader(servers.redis_url), lists, check_seconds=0.2)
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(hub.run(stopping))
            async with hub.watch(history, Watching()) as feed:
                assert feed.high == 1
                await log.append(history, drafts("one", "two"), after=head)
                await eventually(lambda: feed.high == 3, seconds=5)
            stopping.set()


async def test_a_hub_told_to_stop_stops(servers: RealServers) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    hub = Hub(log, RedisReader(servers.redis_url), Folded(log))
    stopping = asyncio.Event()
    async with asyncio.timeout(3), asyncio.TaskGroup() as group:
        group.create_task(hub.run(stopping))
        await eventually(lambda: hub._channels.is_connected)
        stopping.set()
