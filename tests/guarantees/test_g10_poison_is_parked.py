"""G10: what no reader can read is parked with its place and the reason, and stops nobody."""

from collections.abc import Mapping
from pathlib import Path

import asyncpg
import msgspec
import pytest

from events import NOWHERE, History, Repository, TaskInstructed, TaskSubmitted, event_subject
from events.protocol.task_state import TaskState
from infra.log.jetstream import Connection, JetStreamLog
from infra.log.jetstream.connection.api import MAX_MESSAGE_BYTES
from infra.log.jetstream.dead_letters.letters import DeadLetter, dead_letters_of
from infra.log.jetstream.read.decode import InvalidEvent, read_event
from infra.log.nats_permissions import Role
from infra.runtime.clock import DraftFactory, utc_now
from services.projector.projections.task import decode
from tests.kit.build.poison_messages import body, put, strange_history
from tests.kit.probe.eventually import eventually
from tests.kit.run.projector_processes import projector
from tests.kit.servers.cluster import LogPlace
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.stack import RealServers

SUBMITTED = TaskSubmitted(prompt="Fix", repository=Repository("u"), model="m")
READERS = ("history", "live")
PATIENCE_SECONDS = 60


class Place:
    """One log, and the Redis beside it: what a projector needs of servers."""

    def __init__(self, log: LogPlace, servers: RealServers) -> None:
        self._log = log
        self.nats_url = log.nats_url
        self.redis_url = servers.redis_url

    @property
    def event_key_settings(self) -> dict[str, str]:
        return self._log.event_key_settings

    def credentials(self, role: Role) -> Path:
        return self._log.credentials(role)


def poisons(history: History) -> Mapping[str, bytes]:
    """Return bodies that a hostile or a newer writer may store, each with a part of the reason
    for which it is parked.
    """
    room = MAX_MESSAGE_BYTES - len(event_subject(history)) - 100
    return {
        "JSON is malformed": b'{"id": \x00',
        "JSON is malformed: trailing": body(history, version=2) + b"}",
        "invalid": b"\xff" * room,
        "task.unheard_of": body(history, version=2, type="task.unheard_of"),
        "schema": body(history, version=2, schema=99),
        "Expected `str`": body(history, version=2, title=7),
        "names the task": body(strange_history(), version=2),
        "version 7 follows 1": body(history, version=7),
        "version 1 follows 1": body(history, version=1),
    }


async def state_of(url: str, history: History) -> TaskState | None:
    connection = await asyncpg.connect(url)
    try:
        query = "SELECT state::text FROM read.task WHERE task = $1"
        row = await connection.fetchval(query, history.task)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return None
    finally:
        await connection.close()
    return decode(row) if row else None


async def parked(operator: Connection, history: History) -> dict[tuple[str, int], DeadLetter]:
    found = await dead_letters_of(operator, event_subject(history))
    return {(letter.reader, letter.sequence): letter for letter in found}


async def at_version(url: str, history: History, version: int) -> TaskState:
    """Wait until the read model has come so far."""

    async def state() -> TaskState | None:
        return await state_of(url, history)

    def has_come(seen: TaskState | None) -> bool:
        return seen is not None and seen.version >= version

    seen = await eventually(state, until=has_come, seconds=PATIENCE_SECONDS, every_seconds=0.2)
    assert seen is not None
    return seen


async def test_poison_is_parked_once_with_its_reason_and_the_projector_goes_on(
    log_place: LogPlace, servers: RealServers, fresh_database: str
) -> None:
    history, place, draft_factory = (
        strange_history(),
        Place(log_place, servers),
        DraftFactory(utc_now),
    )
    async with (
        as_role(log_place, "gateway") as gateway,
        as_role(log_place, "operator") as operator,
        as_admin(log_place) as admin,
    ):
        log = JetStreamLog[TaskSubmitted | TaskInstructed](gateway)
        head = await log.append(history, draft_factory.drafts([SUBMITTED], by="t"), after=NOWHERE)
        stored = {
            await put(admin, history, content): (reason, content)
            for reason, content in poisons(history).items()
        }
        # Whether an event is its history's next is for the read models to say; the live loop, which
        # looks only as far back as it must, leaves such an event out and parks what is none.
        expected = {
            (reader, sequence)
            for reader in READERS
            for sequence, (reason, _) in stored.items()
            if reader == "history" or "follows" not in reason
        }

        async with projector(place, fresh_database, log_level="CRITICAL") as process:  # type: ignore[arg-type]
            said = draft_factory.drafts([TaskInstructed(text="go on")], by="t")
            head = await log.append(history, said, after=head)
            state = await at_version(fresh_database, history, 2)
            assert (state.version, state.title) == (2, "Fix")
            found = await eventually(
                lambda: parked(operator, history),
                until=lambda seen: seen.keys() == expected,
                seconds=PATIENCE_SECONDS,
            )
            for (_, sequence), letter in found.items():
                reason, content = stored[sequence]
                assert reason.split(":")[0] in letter.reason
                assert letter.body == content
            process.kill()
            await process.wait()

        async with projector(place, fresh_database, log_level="CRITICAL"):  # type: ignore[arg-type]
            said = draft_factory.drafts([TaskInstructed(text="and on")], by="t")
            await log.append(history, said, after=head)
            await at_version(fresh_database, history, 3)
            again = await parked(operator, history)

    assert {place: letter.number for place, letter in again.items()} == {
        place: letter.number for place, letter in found.items()
    }


async def test_what_is_longer_than_a_message_may_be_is_not_taken_by_the_log(
    log_place: LogPlace,
) -> None:
    history = strange_history()
    async with as_admin(log_place) as admin:
        answer = await admin.request(
            event_subject(history), b"x" * (MAX_MESSAGE_BYTES + 1), within_seconds=5
        )
    assert b"message size exceeds maximum allowed" in answer.data


async def test_nor_is_it_read_where_a_log_took_it_once() -> None:
    history = strange_history()
    longest = body(history, text="x" * MAX_MESSAGE_BYTES)
    with pytest.raises(InvalidEvent, match="bytes long; the most is"):
        read_event(event_subject(history), 1, longest)
    assert msgspec.json.decode(longest), "there is nothing wrong with it but its length"
