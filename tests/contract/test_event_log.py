"""Every event log keeps its promises (infra.log.event_log.EventLog): the real one and the fake."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from events import NOWHERE, Head, TaskErased
from infra.log.event_log import Conflict
from infra.log.jetstream import JetStreamLog, connect
from infra.runtime.clock import DraftFactory, utc_now
from tests.kit.build.event_logs import drafts, new_history, reading, texts, versions
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.probe.eventually import eventually

SERVER = pytest.mark.server


@pytest.fixture(
    params=["in memory", pytest.param("R1", marks=SERVER), pytest.param("R3", marks=SERVER)]
)
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    if request.param == "in memory":
        yield InMemoryLog[Any]()
        return
    servers = request.getfixturevalue("servers" if request.param == "R1" else "cluster")
    credentials = servers.credentials("scheduler")
    async with connect(
        servers.nats_url, credentials=credentials, name="contract", keys=servers.event_keys
    ) as connection:
        yield JetStreamLog[Any](connection)


async def test_versions_are_dense_from_one(log):
    history = new_history()

    head = await log.append(history, drafts("a"), after=NOWHERE)
    head = await log.append(history, drafts("b", "c", "d"), after=head)
    head = await log.append(history, drafts("e"), after=head)

    recorded = await log.read(history)
    assert versions(recorded) == [1, 2, 3, 4, 5]
    assert texts(recorded) == ["a", "b", "c", "d", "e"]
    assert head == recorded[-1].head == await log.head(history)


async def test_sequences_grow_along_a_history(log):
    history = new_history()
    await log.append(history, drafts("a", "b", "c"), after=NOWHERE)
    sequences = [r.sequence for r in await log.read(history)]
    assert sequences == sorted(set(sequences))


async def test_an_event_is_read_as_it_was_written(log):
    history = new_history()
    [draft] = drafts("grüße\n☂")
    await log.append(history, [draft], after=NOWHERE)
    [recorded] = await log.read(history)
    assert (recorded.id, recorded.by, recorded.event) == (draft.id, draft.by, draft.event)
    assert (recorded.account, recorded.task) == (history.account, history.task)
    assert b'"version":1' in recorded.body


async def test_an_unknown_history_is_empty(log):
    history = new_history()
    assert list(await log.read(history)) == []
    assert await log.head(history) == NOWHERE


async def test_appending_nothing_changes_nothing(log):
    history = new_history()
    assert await log.append(history, [], after=NOWHERE) == NOWHERE
    assert await log.head(history) == NOWHERE


async def test_an_append_after_an_old_head_is_a_conflict(log):
    history = new_history()
    old = await log.append(history, drafts("a"), after=NOWHERE)
    await log.append(history, drafts("b"), after=old)

    with pytest.raises(Conflict):
        await log.append(history, drafts("late"), after=old)
    with pytest.raises(Conflict):
        await log.append(history, drafts("later", "still"), after=old)
    with pytest.raises(Conflict):
        await log.append(history, drafts("first?"), after=NOWHERE)

    assert texts(await log.read(history)) == ["a", "b"]


async def test_a_batch_is_stored_whole_or_not_at_all(log):
    history = new_history()
    head = await log.append(history, drafts("a"), after=NOWHERE)
    await log.append(history, drafts("b"), after=head)

    with pytest.raises(Conflict):
        await log.append(history, drafts("x", "y", "z"), after=head)

    assert texts(await log.read(history)) == ["a", "b"]


@pytest.mark.parametrize("count", [1, 3])
async def test_appending_the_same_again_stores_nothing_twice(log, count):
    history = new_history()
    start = await log.append(history, drafts("first"), after=NOWHERE)
    same = drafts(*(f"text {n}" for n in range(count)))

    head = await log.append(history, same, after=start)

    assert await log.append(history, same, after=start) == head
    assert len(await log.read(history)) == 1 + count


@pytest.mark.parametrize("count", [1, 3])
async def test_appending_the_same_again_succeeds_after_newer_events(log, count):
    history = new_history()
    start = await log.append(history, drafts("first"), after=NOWHERE)
    same = drafts(*(f"text {n}" for n in range(count)))
    head = await log.append(history, same, after=start)
    newest = await log.append(history, drafts("newer", "newest"), after=head)

    assert await log.append(history, same, after=start) == head
    assert await log.head(history) == newest


async def test_part_of_a_batch_is_no_repeat_of_it(log):
    history = new_history()
    same = drafts("a", "b")
    await log.append(history, same, after=NOWHERE)
    with pytest.raises(Conflict):
        await log.append(history, [*same, *drafts("c")], after=NOWHERE)


async def test_reading_after_a_version_leaves_out_what_is_known(log):
    history = new_history()
    await log.append(history, drafts("a", "b", "c", "d"), after=NOWHERE)
    assert texts(await log.read(history, after=2)) == ["c", "d"]
    assert list(await log.read(history, after=4)) == []


async def test_histories_do_not_see_each_other(log):
    one, other = new_history(), new_history()
    await log.append(one, drafts("mine"), after=NOWHERE)
    await log.append(other, drafts("yours"), after=NOWHERE)
    assert texts(await log.read(one)) == ["mine"]
    assert texts(await log.read(other)) == ["yours"]


async def test_a_long_history_is_read_whole(log):
    history = new_history()
    head = NOWHERE
    for part in range(3):
        head = await log.append(history, drafts(*(f"{part} {n}" for n in range(400))), after=head)
    assert versions(await log.read(history)) == list(range(1, 1201))


async def test_one_of_many_racing_writers_wins_each_head(log):
    history = new_history()
    wins: list[Head] = []

    async def write(name: str) -> None:
        for number in range(10):
            while True:
                head = await log.head(history)
                try:
                    won = await log.append(history, drafts(f"{name} {number}"), after=head)
                except Conflict:
                    continue
                wins.append(won)
                break

    async with asyncio.TaskGroup() as group:
        for name in ("a", "b", "c", "d"):
            group.create_task(write(name))

    recorded = await log.read(history)
    assert versions(recorded) == list(range(1, 41))
    assert sorted(head.version for head in wins) == list(range(1, 41))
    assert len(set(texts(recorded))) == 40


async def test_writers_after_one_head_have_one_winner(log):
    history = new_history()
    head = await log.append(history, drafts("start"), after=NOWHERE)
    outcomes: list[str] = []

    async def write(count: int) -> None:
        try:
            await log.append(history, drafts(*["x"] * count), after=head)
        except Conflict:
            outcomes.append("lost")
        else:
            outcomes.append("won")

    async with asyncio.TaskGroup() as group:
        for count in (1, 2, 1, 3, 1, 2):
            group.create_task(write(count))

    assert sorted(outcomes) == ["lost"] * 5 + ["won"]


async def test_a_follower_sees_everything_once_and_in_order_while_appends_race(log):
    start = (await log.info()).last_sequence
    histories = [new_history() for _ in range(4)]

    async def write(history) -> None:
        head = NOWHERE
        for number in range(25):
            some = drafts(*(f"{number}.{n}" for n in range(1 + number % 3)))
            head = await log.append(history, some, after=head)

    async with reading(log, "contract", after=start) as reader:
        async with asyncio.TaskGroup() as group:
            for history in histories:
                group.create_task(write(history))
        await eventually(lambda: len(reader.recorded), until=lambda n: n >= 4 * 49)

    sequences = [r.sequence for r in reader.recorded]
    assert sequences == sorted(set(sequences))
    for history in histories:
        assert reader.of(history) == list(await log.read(history))


async def test_a_follower_begins_after_its_sequence(log):
    history = new_history()
    head = await log.append(history, drafts("a", "b", "c"), after=NOWHERE)
    second = (await log.read(history))[1].sequence

    async with reading(log, "contract", after=second) as reader:
        await eventually(lambda: reader.of(history))
        await log.append(history, drafts("d"), after=head)
        await eventually(lambda: len(reader.of(history)), until=lambda n: n == 2)

    assert texts(reader.of(history)) == ["c", "d"]


async def test_a_follower_that_is_told_to_stop_stops(log):
    async with asyncio.timeout(30):
        async with reading(log, "contract", after=(await log.info()).last_sequence) as reader:
            pass
    assert reader.recorded == []


async def test_bodies_are_what_reading_shows_page_by_page(log):
    history = new_history()
    head = await log.append(history, drafts(*"abcdefg"), after=NOWHERE)
    whole = [(r.version, r.body) for r in await log.read(history)]
    for _ in range(2):  # not known, and known
        for after in range(8):
            for limit in (1, 3, 7, 100):
                found = await log.bodies(history, after=after, limit=limit)
                assert list(found) == whole[after : after + limit]
    await log.append(history, drafts("h"), after=head)
    assert [version for version, _ in await log.bodies(history, after=5, limit=100)] == [6, 7, 8]


async def test_a_history_exists_from_its_first_event_until_it_is_erased(log):
    history = new_history()
    assert not await log.exists(history)
    head = await log.append(history, drafts("a"), after=NOWHERE)
    assert await log.exists(history)
    head = await log.append(history, drafts("b", "c"), after=head)
    assert await log.exists(history)
    erased = DraftFactory(utc_now).drafts([TaskErased(reason="asked")], by="operator")
    await log.append(history, erased, after=head)
    assert not await log.exists(history)
