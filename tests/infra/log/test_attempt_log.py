"""A worker's log: its own history, with its own rights, whatever becomes of its reader."""

import asyncio

import pytest

from events import NOWHERE, event_subject
from events.protocol.readers import reader_name
from infra.log.event_log import Conflict, Unavailable
from infra.log.jetstream import (
    AttemptLog,
    JetStreamLog,
    create_reader,
    delete_reader,
    recreate_reader,
)
from tests.kit.build.event_logs import drafts, new_history, texts, versions
from tests.kit.build.signing_keys import verifying
from tests.kit.faults.tampering import is_delivery, once, tampered
from tests.kit.probe.eventually import eventually
from tests.kit.servers.nats_connections import as_admin, as_role, as_worker


@pytest.fixture
def history():
    return new_history()


@pytest.fixture
async def scheduler(servers):
    async with as_role(servers, "scheduler") as connection:
        yield connection


@pytest.fixture
def everything(scheduler):
    return JetStreamLog(scheduler)


class Server:
    """The scheduler's part: recreates the reader when a larger generation is asked for."""

    def __init__(self, connection, history) -> None:
        self._connection = connection
        self._history = history
        self.served = 1

    async def serve(self, log) -> None:
        if log.is_waiting_for_reader and log.reader_generation > self.served:
            generation = log.reader_generation
            await recreate_reader(self._connection, self._history, 1)
            self.served = generation


@pytest.fixture
async def worker(servers, scheduler, history):
    """An AttemptLog under a worker's rights, whose reader is there."""
    reader = await create_reader(scheduler, history, 1)
    async with (
        as_worker(servers, history) as connection,
        AttemptLog(
            connection,
            history,
            reader,
            verify=verifying(servers.event_keys, history),
            heartbeat_seconds=0.5,
            deadline_seconds=8,
        ) as log,
    ):
        yield log


class Watch:
    """Follows the attempt's log in the background."""

    def __init__(self) -> None:
        self.recorded = []
        self.until = asyncio.Event()

    async def run(self, log) -> None:
        async for batch in log.follow(self.until):
            self.recorded += batch


async def test_a_worker_catches_up_follows_and_appends(worker, everything, history):
    head = await everything.append(history, drafts("a", "b"), after=NOWHERE)

    so_far = await worker.catch_up()
    assert texts(so_far) == ["a", "b"]
    assert so_far[-1].head == head

    watch = Watch()
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.run(worker))
        head = await worker.append(drafts("mine"), after=head)
        head = await worker.append(drafts("two", "more"), after=head)
        head = await everything.append(history, drafts("another's"), after=head)
        await eventually(lambda: len(watch.recorded), until=lambda n: n == 4)
        watch.until.set()

    assert texts(watch.recorded) == ["mine", "two", "more", "another's"]
    assert [*so_far, *watch.recorded] == list(await everything.read(history))
    assert worker.reader_generation == 1


async def test_catching_up_shows_whatever_was_appended_before(worker, everything, history):
    head, seen = NOWHERE, []
    for number in range(300):
        head = await everything.append(history, drafts(f"{number}"), after=head)
        seen += await worker.catch_up()
        assert seen[-1].head == head
    assert versions(seen) == list(range(1, 301))


async def test_catching_up_with_nothing_new_is_quick(worker, everything, history):
    await everything.append(history, drafts("a"), after=NOWHERE)
    await worker.catch_up()
    async with asyncio.timeout(0.4):
        assert list(await worker.catch_up()) == []


async def test_a_history_of_thousands_is_caught_up_with(worker, everything, history):
    head = NOWHERE
    for _ in range(5):
        head = await everything.append(history, drafts(*["x"] * 1000), after=head)
    assert versions(await worker.catch_up()) == list(range(1, 5001))


@pytest.mark.parametrize("count", [1, 3])
async def test_a_worker_that_appends_the_same_again_finds_its_own(
    worker, everything, history, count
):
    start = await everything.append(history, drafts("a"), after=NOWHERE)
    same = drafts(*["mine"] * count)
    head = await worker.append(same, after=start)
    assert await worker.append(same, after=start) == head
    newest = await everything.append(history, drafts("newer"), after=head)
    assert await worker.append(same, after=start) == head
    assert (await everything.head(history)) == newest


@pytest.mark.parametrize("count", [1, 3])
async def test_a_worker_that_was_overtaken_has_a_conflict_and_sees_why(
    worker, everything, history, count
):
    head = await everything.append(history, drafts("a"), after=NOWHERE)
    await worker.catch_up()
    newest = await everything.append(history, drafts("faster"), after=head)

    with pytest.raises(Conflict):
        await worker.append(drafts(*["late"] * count), after=head)

    [faster] = await worker.catch_up()
    assert faster.head == newest
    assert (await worker.append(drafts("again"), after=newest)).version == 3


async def test_a_deleted_reader_is_asked_for_again_and_nothing_is_missed(
    worker, everything, scheduler, history
):
    head = await everything.append(history, drafts("a", "b"), after=NOWHERE)
    watch, server = Watch(), Server(scheduler, history)
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.run(worker))
        await eventually(lambda: len(watch.recorded), until=lambda n: n == 2)
        await delete_reader(scheduler, history, 1)
        await everything.append(history, drafts("c"), after=head)
        await eventually(lambda: worker.is_waiting_for_reader)
        assert worker.reader_generation == 2

        await server.serve(worker)
        await eventually(lambda: len(watch.recorded), until=lambda n: n == 3)
        watch.until.set()

    assert texts(watch.recorded) == ["a", "b", "c"]
    assert not worker.is_waiting_for_reader


async def test_a_reader_recreated_unasked_repeats_nothing(worker, everything, scheduler, history):
    head = await everything.append(history, drafts("a", "b"), after=NOWHERE)
    watch = Watch()
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.run(worker))
        await eventually(lambda: len(watch.recorded), until=lambda n: n == 2)
        for text in ("c", "d", "e"):
            await recreate_reader(scheduler, history, 1)
            head = await everything.append(history, drafts(text), after=head)
        await eventually(lambda: len(watch.recorded), until=lambda n: n == 5)
        watch.until.set()
    assert texts(watch.recorded) == ["a", "b", "c", "d", "e"]


async def test_a_lost_delivery_raises_the_generation(worker, everything, scheduler, history):
    head = await everything.append(history, drafts("a"), after=NOWHERE)
    watch, server = Watch(), Server(scheduler, history)
    with tampered(worker._connection, once("lost", is_delivery("b"))) as befallen:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch.run(worker))
            await everything.append(history, drafts("b", "c"), after=head)
            await eventually(lambda: worker.is_waiting_for_reader)
            await server.serve(worker)
            await eventually(lambda: len(watch.recorded), until=lambda n: n == 3)
            watch.until.set()
    assert (befallen, server.served) == (["lost"], 2)
    assert texts(watch.recorded) == ["a", "b", "c"]


@pytest.mark.parametrize("how", ["kill", "restart"])
async def test_a_worker_outlives_the_server(servers, worker, everything, scheduler, history, how):
    start = await everything.append(history, drafts("start"), after=NOWHERE)
    watch, server = Watch(), Server(scheduler, history)
    done = asyncio.Event()
    heads = [start]

    async def serve() -> None:
        while not done.is_set():
            if scheduler.is_connected:
                await server.serve(worker)
            await asyncio.sleep(0.05)

    async def write(least: int) -> None:
        while len(heads) < least:
            heads.append(await worker.append(drafts("x"), after=heads[-1]))

    async with asyncio.TaskGroup() as group:
        group.create_task(watch.run(worker))
        group.create_task(serve())
        await write(50)
        async with asyncio.TaskGroup() as both:
            both.create_task(write(100))
            both.create_task(getattr(servers, how)("nats"))
        await write(130)
        await eventually(
            lambda: len(watch.recorded), until=lambda n: n >= heads[-1].version, seconds=15
        )
        watch.until.set()
        done.set()

    assert worker.reader_generation >= 2
    assert versions(watch.recorded) == list(range(1, 131))
    assert watch.recorded == list(await everything.read(history))


async def test_without_a_reader_catching_up_is_unavailable(servers, history):
    name = reader_name(history.task, 1)
    asked = []
    async with (
        as_worker(servers, history) as connection,
        AttemptLog(
            connection,
            history,
            name,
            verify=verifying(servers.event_keys, history),
            asked=asked.append,
            deadline_seconds=0.5,
        ) as log,
    ):
        assert list(await log.catch_up()) == []
        await log.append(drafts("a"), after=NOWHERE)
        with pytest.raises(Unavailable, match="scheduler"):
            await log.catch_up()
    assert asked == [2]


async def test_poison_in_its_history_does_not_stop_a_worker(servers, worker, everything, history):
    head = await everything.append(history, drafts("a"), after=NOWHERE)
    async with as_admin(servers) as admin:
        await admin.request(event_subject(history), b"poison", within_seconds=2)
    head = await worker.append(drafts("b"), after=head)
    await worker.append(drafts("c"), after=head)
    assert texts(await worker.catch_up()) == ["a", "b", "c"]


async def test_making_a_reader_twice_is_one_reader(scheduler, everything, history):
    assert await create_reader(scheduler, history, 2) == reader_name(history.task, 2)
    assert await create_reader(scheduler, history, 2) == reader_name(history.task, 2)
    await delete_reader(scheduler, history, 2)
    await delete_reader(scheduler, history, 2)
