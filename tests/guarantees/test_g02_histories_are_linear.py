"""G2: each history is one dense line, whoever writes at once, by whatever rules, whoever leads."""

import asyncio
from collections.abc import Sequence
from itertools import count

import msgspec
import pytest

from events import NOWHERE, Head, History, event_id, event_subject
from infra.log.event_log import Conflict
from infra.log.jetstream import Connection, JetStreamLog
from infra.runtime.clock import utc_now
from tests.kit.build.event_logs import drafts, new_history, texts, versions
from tests.kit.faults.tampering import is_ack, once, tampered
from tests.kit.laws.linear_histories import PATIENCE_SECONDS, Writer, raw, require_linear
from tests.kit.probe.eventually import eventually
from tests.kit.servers.cluster import LogPlace
from tests.kit.servers.nats_connections import as_admin, as_role

ENOUGH = 15
PAUSE_SECONDS = 0.05
"""Between two writes of a rogue; what it leaves is read again and again."""


class Rogue:
    """Writes what it likes: junk, forgeries, batches, all without asking what stands there."""

    def __init__(self, admin: Connection, *histories: History) -> None:
        self._admin = admin
        self._log = JetStreamLog[object](admin, deadline_seconds=PATIENCE_SECONDS)
        self._histories = histories
        self.written = 0

    async def write(self, until: asyncio.Event) -> None:
        for number in count():
            if until.is_set():
                return
            history = self._histories[number % len(self._histories)]
            subject = event_subject(history)
            match number // len(self._histories) % 4:
                case 0:
                    await self._admin.publish(subject, b"junk")
                case 1:  # as well as anybody can: a next event, as of a moment ago
                    head = await self._log.head(history)
                    await self._admin.publish(subject, forged(history, head.version + 1))
                case 2:
                    await self._admin.publish(subject, forged(history, 1_000_000 + number))
                case _:
                    await self._batch(subject, [forged(history, 3), b"junk", b"more of it"])
            self.written += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _batch(self, subject: str, bodies: list[bytes]) -> None:
        batch = self._admin.client.new_inbox().rsplit(".", 1)[-1]
        for place, body in enumerate(bodies, 1):
            headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(place)}
            last = {"Nats-Batch-Commit": "1"} if place == len(bodies) else {}
            await self._admin.publish(subject, body, headers=headers | last)


def forged(history: History, version: int) -> bytes:
    return msgspec.json.encode(
        {
            "id": event_id(0, version.to_bytes(10, "big")),
            "task": history.task,
            "version": version,
            "at": utc_now(),
            "by": "nobody",
            "cause": "",
            "type": "task.instructed",
            "text": "forged",
        }
    )


async def test_racing_and_batching_writers_and_rogues_leave_one_line(log_place: LogPlace) -> None:
    histories = [new_history(), new_history()]
    stopping = asyncio.Event()
    async with (
        as_role(log_place, "gateway") as one,
        as_role(log_place, "scheduler") as two,
        as_role(log_place, "operator") as three,
        as_admin(log_place) as admin,
    ):
        writers = [Writer(c, *histories, seed=n) for n, c in enumerate((one, two, three, three))]
        rogue = Rogue(admin, *histories)

        def won() -> int:
            return sum(len(writer.promises) for writer in writers)

        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.write(stopping))
            group.create_task(rogue.write(stopping))
            for _ in range(2):
                wanted = won() + ENOUGH
                await eventually(won, until=lambda n, wanted=wanted: n >= wanted, seconds=90)
                await log_place.step_down()
            wanted = won() + ENOUGH
            await eventually(won, until=lambda n: n >= wanted, seconds=90)
            stopping.set()

        promises = [promise for writer in writers for promise in writer.promises]
        turned_away = [draft for writer in writers for draft in writer.turned_away]
        assert rogue.written >= 4
        assert turned_away
        await require_linear(one, promises, turned_away)


async def test_of_those_who_write_after_one_head_one_wins(log_place: LogPlace) -> None:
    async with as_role(log_place, "gateway") as one, as_role(log_place, "scheduler") as other:
        logs = [JetStreamLog[object](c, deadline_seconds=PATIENCE_SECONDS) for c in (one, other)]
        for _ in range(10):
            history = new_history()
            head = await logs[0].append(history, drafts("start"), after=NOWHERE)
            [winner] = await winners(logs, history, head)
            stored = texts(await logs[0].read(history))
            assert stored == ["start", *[f"{winner}"] * (1 + winner % 3)]


async def winners(
    logs: Sequence[JetStreamLog[object]], history: History, head: Head
) -> Sequence[int]:
    """Have eight write after one head, one event or two or three; tell who was not turned away."""
    won: list[int] = []

    async def write(number: int) -> None:
        some = drafts(*[f"{number}"] * (1 + number % 3))
        try:
            await logs[number % 2].append(history, some, after=head)
        except Conflict:
            return
        won.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(write(number))
    return won


async def test_more_batches_at_once_than_the_log_takes_are_all_stored(log_place: LogPlace) -> None:
    """It takes 50 batches of a stream at a time (ADR-50), and refuses others for the moment."""
    async with as_role(log_place, "scheduler") as connection:
        log = JetStreamLog[object](connection, deadline_seconds=PATIENCE_SECONDS)
        histories = [new_history() for _ in range(120)]
        async with asyncio.TaskGroup() as group:
            for history in histories:
                group.create_task(log.append(history, drafts("a", "b", "c"), after=NOWHERE))
        for history in histories[::10]:
            assert versions(await log.read(history)) == [1, 2, 3]
            assert len(await raw(connection, history)) == 3


async def test_a_batch_whose_writer_died_in_the_middle_leaves_nothing(log_place: LogPlace) -> None:
    async with as_role(log_place, "gateway") as connection:
        log = JetStreamLog[object](connection, deadline_seconds=PATIENCE_SECONDS)
        history = new_history()
        head = await log.append(history, drafts("a"), after=NOWHERE)
        for place, version in enumerate((2, 3), 1):
            headers = {"Nats-Batch-Id": "torn", "Nats-Batch-Sequence": str(place)}
            body = forged(history, version)
            await connection.publish(event_subject(history), body, headers=headers)

        head = await log.append(history, drafts("b"), after=head)
        await log.append(history, drafts("c", "d"), after=head)

        assert texts(await log.read(history)) == ["a", "b", "c", "d"]
        assert len(await raw(connection, history)) == 4


@pytest.mark.parametrize("count", [1, 3])
async def test_an_append_whose_answer_was_lost_is_found_and_not_repeated(
    log_place: LogPlace, count: int
) -> None:
    """One server then says 10071 to one event and 10201 to a batch, three say "duplicate"."""
    async with as_role(log_place, "gateway") as connection:
        log = JetStreamLog[object](connection, deadline_seconds=PATIENCE_SECONDS)
        history, some = new_history(), drafts(*"abc"[:count])
        with tampered(connection, once("lost", is_ack)) as befallen:
            head = await log.append(history, some, after=NOWHERE)
        assert befallen == ["lost"]
        assert head.version == count
        assert len(await raw(connection, history)) == count
