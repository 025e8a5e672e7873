"""G5: who follows the log is given every event once and in order, whatever breaks on the way.

nats-py's own ordered consumer gave a slow client 309 of 20,000 messages and no word of the others
(reference/jetstream.md §0). Ours is put in the same place here, and worse ones.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import pytest

from events import NOWHERE, Head, History
from infra.log.jetstream import Connection, JetStreamLog
from infra.log.jetstream.connection import api
from infra.log.jetstream.read.follow import follow
from tests.kit.build.event_logs import drafts, new_history, reading, versions
from tests.kit.faults.tampering import Fate, is_delivery, once, tampered
from tests.kit.laws.linear_histories import PATIENCE_SECONDS
from tests.kit.probe.eventually import eventually
from tests.kit.servers.cluster import LogPlace
from tests.kit.servers.nats_connections import as_admin, as_role

HEARTBEAT_SECONDS = 0.3
MANY = 20_000


@pytest.fixture
async def connection(log_place: LogPlace) -> AsyncIterator[Connection]:
    async with as_role(log_place, "projector") as connection:
        yield connection


@pytest.fixture
async def log(log_place: LogPlace) -> AsyncIterator[JetStreamLog[Any]]:
    async with as_role(log_place, "scheduler") as connection:
        yield JetStreamLog[Any](connection, deadline_seconds=PATIENCE_SECONDS)


STATUSES: Final = 4
"""Statuses of the server that may wait in the client's queue: of two pulls, and heartbeats."""


class Seen:
    """The sequences that a follower was given."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.pause_seconds = 0.0

    async def follow(self, connection: Connection, after: int, until: asyncio.Event) -> None:
        deliveries = follow(
            connection, "g05", after=after, until=until, heartbeat_seconds=HEARTBEAT_SECONDS
        )
        async for batch in deliveries:
            self.sequences += [delivered.sequence for delivered in batch]
            await asyncio.sleep(self.pause_seconds)


@asynccontextmanager
async def following(connection: Connection, after: int) -> AsyncIterator[Seen]:
    seen, until = Seen(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(seen.follow(connection, after, until))
        yield seen
        until.set()


async def reach(seen: Seen, last: int, *, seconds: float = 60.0) -> None:
    await eventually(
        lambda: seen.sequences and seen.sequences[-1] >= last, seconds=seconds, every_seconds=0.05
    )


async def begun(log: JetStreamLog[Any]) -> tuple[History, Head]:
    """A history with a first event, behind which nobody else writes during the test."""
    history = new_history()
    return history, await log.append(history, drafts("first"), after=NOWHERE)


async def fill(log: JetStreamLog[Any], history: History, head: Head, count: int) -> Head:
    for start in range(0, count, 1000):
        texts = [f"{n}" for n in range(start, min(start + 1000, count))]
        head = await log.append(history, drafts(*texts), after=head)
    return head


async def test_a_slow_reader_is_given_twenty_thousand_of_twenty_thousand(
    log: JetStreamLog[Any], connection: Connection
) -> None:
    one, of_one = await begun(log)
    other, of_other = await begun(log)
    half = MANY // 2  # one history may not hold so many
    follower = JetStreamLog[Any](connection)
    async with reading(follower, "g05", after=of_other.sequence) as reader:
        reader.pause_seconds = 0.05
        await fill(log, one, of_one, half)
        await fill(log, other, of_other, half)
        await eventually(
            lambda: len(reader.recorded), until=lambda n: n >= MANY, seconds=120, every_seconds=0.2
        )
    assert versions(reader.of(one)) == list(range(2, half + 2))
    assert versions(reader.of(other)) == list(range(2, half + 2))


async def test_the_client_drops_nothing_however_short_its_queue_is(
    log: JetStreamLog[Any], connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, head = await begun(log)
    narrow(connection, monkeypatch, pending=STATUSES)
    complained = connection.client._error_cb
    complaints: list[Exception] = []

    async def note(error: Exception) -> None:
        complaints.append(error)
        await complained(error)

    monkeypatch.setattr(connection.client, "_error_cb", note)
    last = await fill(log, history, head, 600)
    async with following(connection, head.sequence) as seen:
        await reach(seen, last.sequence)
    assert complaints == []
    assert seen.sequences == list(range(head.sequence + 1, last.sequence + 1))


def narrow(connection: Connection, monkeypatch: pytest.MonkeyPatch, *, pending: int) -> None:
    """Let the client hold no more than this of what it has received; it drops what comes then."""
    subscribe: Callable[..., Any] = connection.client.subscribe

    async def narrowly(subject: str, **options: Any) -> Any:
        return await subscribe(subject, **{**options, "pending_msgs_limit": pending})

    monkeypatch.setattr(connection.client, "subscribe", narrowly)


@pytest.mark.parametrize("text", ["5", "9"], ids=["in the middle", "the last"])
@pytest.mark.parametrize("fate", ["lost", "twice", "late"])
async def test_a_delivery_lost_repeated_or_out_of_turn_changes_nothing(
    log: JetStreamLog[Any], connection: Connection, fate: Fate, text: str
) -> None:
    history, head = await begun(log)
    with tampered(connection, once(fate, is_delivery(text))) as befallen:
        async with following(connection, head.sequence) as seen:
            last = await fill(log, history, head, 10)
            await reach(seen, last.sequence)
    assert befallen == [fate]
    assert seen.sequences == list(range(head.sequence + 1, last.sequence + 1))


async def test_a_deleted_consumer_is_made_again_where_it_was(
    log: JetStreamLog[Any], connection: Connection, log_place: LogPlace
) -> None:
    history, head = await begun(log)
    async with as_admin(log_place) as admin, following(connection, head.sequence) as seen:
        middle = await fill(log, history, head, 500)
        await reach(seen, middle.sequence)
        for _ in range(2):
            gone = await eventually(lambda: consumers(admin), seconds=60)
            for name in gone:
                await api.request(admin, f"CONSUMER.DELETE.EVENTS.{name}", {})
            middle = await fill(log, history, middle, 500)
            await reach(seen, middle.sequence)
    assert seen.sequences == list(range(head.sequence + 1, middle.sequence + 1))


async def consumers(admin: Connection) -> list[str]:
    answer = msgspec.json.decode(await api.request(admin, "CONSUMER.NAMES.EVENTS", {}))
    return [name for name in answer["consumers"] or [] if name.startswith("g05-")]


@pytest.mark.parametrize("what", ["kill_leader", "step_down"])
async def test_a_server_that_goes_takes_nothing_with_it(
    log: JetStreamLog[Any], connection: Connection, log_place: LogPlace, what: str
) -> None:
    history, start = await begun(log)
    heads, stopping = [start], asyncio.Event()

    async def write() -> None:
        while not stopping.is_set():
            heads.append(await fill(log, history, heads[-1], 1 + len(heads) % 3))

    async with following(connection, start.sequence) as seen:
        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            await eventually(lambda: len(heads) > 20, seconds=60)
            await getattr(log_place, what)()
            reached = len(heads)
            await eventually(lambda: len(heads) > reached + 20, seconds=PATIENCE_SECONDS)
            stopping.set()
        await reach(seen, heads[-1].sequence)
    assert seen.sequences == [recorded.sequence for recorded in await log.read(history, after=1)]
