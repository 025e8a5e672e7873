"""One task's feed: whatever Redis does to messages, what is delivered is the log, in order."""

import asyncio

import pytest

from infra.log.event_log import Unavailable
from infra.stores.live_channels import EPHEMERAL, Frame
from services.gateway.stream.feed import HELD_BYTES, Feed
from tests.kit.build.any_event import HISTORY
from tests.kit.fakes.feed_log import Log, Phone, bodies, event, frame, loaded


async def test_a_feed_begins_with_what_the_log_has() -> None:
    feed = await loaded(Log(3))

    assert feed.high == 3
    assert feed.after(1, max_events=9, max_bytes=9999) == [
        (2, bodies(2, 2)[0]),
        (3, bodies(3, 3)[0]),
    ]


async def test_a_task_that_is_not_there_has_an_empty_feed() -> None:
    feed = await loaded(Log(0))

    assert feed.high == 0
    assert feed.after(0, max_events=9, max_bytes=9) == []


async def test_the_next_event_is_appended_without_asking_the_log() -> None:
    log = Log(1)
    feed = await loaded(log)
    reads = log.reads

    feed.receive(log.grow())

    assert feed.high == 2
    assert not feed.is_suspect
    assert log.reads == reads


async def test_a_known_event_is_dropped() -> None:
    log = Log(2)
    feed = await loaded(log)
    phone = Phone(feed, 2)

    feed.receive(frame(1))
    feed.receive(frame(2))

    assert feed.high == 2
    assert phone.wakes == 0


async def test_an_event_after_a_gap_waits_until_the_gap_is_filled_from_the_log() -> None:
    log = Log(1)
    feed = await loaded(log)
    phone = Phone(feed, 1)
    log.grow()

    feed.receive(log.grow())
    assert feed.is_suspect
    assert phone.delivered == []
    await feed.check()

    assert phone.delivered == bodies(2, 3)
    assert not feed.is_suspect


async def test_events_in_the_wrong_order_are_put_right_without_the_log() -> None:
    log = Log(0)
    feed = await loaded(log)
    phone = Phone(feed)
    frames = [log.grow() for _ in range(4)]
    reads = log.reads

    for place in (2, 3, 1, 0):
        feed.receive(frames[place])

    assert phone.delivered == bodies(1, 4)
    assert log.reads == reads
    assert not feed.is_suspect


async def test_what_comes_while_the_feed_is_loading_is_not_lost() -> None:
    log = Log(2)
    log.reading = asyncio.Event()
    feed = Feed(HISTORY, log, retries_seconds=(0.0,))
    async with asyncio.TaskGroup() as group:
        group.create_task(feed.load())
        await asyncio.sleep(0.01)
        feed.receive(log.grow())
        feed.receive(log.grow())
        log.reading.set()

    assert feed.high == 4
    assert not feed.is_suspect


async def test_a_hole_in_what_came_while_loading_is_filled_at_once() -> None:
    log = Log(2)
    log.reading = asyncio.Event()
    feed = Feed(HISTORY, log, retries_seconds=(0.0,))
    async with asyncio.TaskGroup() as group:
        group.create_task(feed.load())
        await asyncio.sleep(0.01)
        log.grow()
        feed.receive(log.grow())
        log.reading.set()

    assert feed.high == 4
    assert not feed.is_suspect


async def test_a_lost_last_message_is_found_by_the_check() -> None:
    log = Log(1)
    feed = await loaded(log)
    phone = Phone(feed, 1)
    log.grow()

    await feed.check()

    assert phone.delivered == bodies(2, 2)


async def test_a_log_that_lags_behind_redis_is_asked_again() -> None:
    log = Log(1)
    feed = await loaded(log)
    phone = Phone(feed, 1)
    log.grow()
    log.lag, log.lagging_reads = 2, 2

    feed.receive(log.grow())
    await feed.check()

    assert phone.delivered == bodies(2, 3)


async def test_a_version_the_log_never_had_does_not_make_the_feed_suspect_for_ever() -> None:
    log = Log(1)
    feed = await loaded(log)

    feed.receive(frame(900))
    assert feed.is_suspect
    await feed.check()

    assert not feed.is_suspect
    feed.receive(log.grow())
    assert feed.high == 2


async def test_a_log_that_is_away_leaves_the_feed_suspect_and_whole() -> None:
    log = Log(1)
    feed = await loaded(log)
    log.grow()
    feed.receive(log.grow())
    log.is_away = True
    with pytest.raises(Unavailable):
        await feed.check()
    assert feed.is_suspect
    assert feed.high == 1

    log.is_away = False
    await feed.check()

    assert feed.high == 3


async def test_a_feed_that_could_not_be_loaded_is_loaded_later() -> None:
    log = Log(2)
    log.is_away = True
    feed = Feed(HISTORY, log)
    with pytest.raises(Unavailable):
        await feed.load()
    log.is_away = False

    await feed.load()

    assert feed.high == 2


async def test_many_who_ask_at_once_cost_one_read() -> None:
    log = Log(1)
    feed = await loaded(log)
    log.grow()
    feed.receive(log.grow())
    reads = log.reads

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(feed.check())

    assert log.reads == reads + 1
    assert feed.high == 3


async def test_a_feed_keeps_only_so_many_events() -> None:
    log = Log(10)
    feed = await loaded(log, ring_events=4)
    for _ in range(3):
        feed.receive(log.grow())

    assert feed.high == 13
    assert feed.after(8, max_events=99, max_bytes=9999) is None
    page = feed.after(9, max_events=99, max_bytes=9999)
    assert page is not None
    assert [version for version, _ in page] == [10, 11, 12, 13]


async def test_a_feed_keeps_only_so_many_bytes() -> None:
    log = Log(10)
    size = len(event(10).body)
    feed = await loaded(log, ring_bytes=3 * size)

    assert feed.high == 10
    page = feed.after(7, max_events=99, max_bytes=9999)
    assert page is not None
    assert len(page) == 3
    assert feed.after(5, max_events=99, max_bytes=9999) is None


async def test_what_is_held_back_is_bounded_and_still_comes() -> None:
    log = Log(1)
    feed = await loaded(log)
    log.length = 40
    heavy = b"x" * (HELD_BYTES // 10)

    for version in range(3, 40):
        feed.receive(Frame(version, heavy))

    assert feed._held_bytes <= HELD_BYTES
    await feed.check()
    assert feed.high == 40
    assert feed._held_bytes == 0


async def test_a_page_has_at_most_so_many_events_and_bytes_but_at_least_one() -> None:
    feed = await loaded(Log(5))
    size = len(event(1).body)

    def versions(max_events: int, max_bytes: int) -> list[int]:
        page = feed.after(0, max_events=max_events, max_bytes=max_bytes)
        assert page is not None
        return [version for version, _ in page]

    assert versions(2, 9999) == [1, 2]
    assert versions(99, 3 * size) == [1, 2, 3]
    assert versions(99, 1) == [1]


async def test_a_passing_item_reaches_who_watches_and_is_not_kept() -> None:
    feed = await loaded(Log(1))
    phone = Phone(feed, 1)

    item = b'{"t":"eph","task":"task_1","kind":"text","block":"1.0","offset":0,"text":"a"}'
    feed.receive(Frame(EPHEMERAL, item))
    feed.receive(
        Frame(EPHEMERAL, b'{"t":"eph"}')
    )  # of no block: said by somebody who may say anything

    assert phone.heard == [item]
    assert feed.high == 1


async def test_a_feed_forgets_what_it_held_of_an_erased_task() -> None:
    log = Log(3)
    feed = await loaded(log)
    phone = Phone(feed, 3)

    tombstone = log.erase()
    feed.receive(tombstone)

    assert phone.delivered == [tombstone.body]
    assert feed.after(0, max_events=9, max_bytes=9999) is None, "it is still held"
    feed.receive(log.grow())
    assert [version for version, _ in feed.after(3, max_events=9, max_bytes=9999) or ()] == [4, 5]


@pytest.mark.parametrize("is_loaded", [True, False])
async def test_an_erasure_that_redis_did_not_tell_is_found_in_the_log(is_loaded: bool) -> None:
    log = Log(3)
    feed = await loaded(log) if is_loaded else Feed(HISTORY, log, retries_seconds=(0.0,))
    log.grow()
    tombstone = log.erase()
    await feed.load()
    await feed.check()

    assert feed.high == 5
    assert not feed.is_suspect
    assert feed.after(4, max_events=9, max_bytes=9999) == [(5, tombstone.body)]
    assert feed.after(3, max_events=9, max_bytes=9999) is None
