"""The history loop on a real Postgres: rows are a fold of the log, whatever dies when."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Never

import asyncpg

from events import (
    ArtifactStored,
    Blob,
    CallId,
    MachineLost,
    QuestionAsked,
    Repository,
    RequestId,
    TaskErased,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
)
from infra.log.jetstream import JetStreamLog
from services.projector.history import store
from services.projector.projections import TABLES
from tests.kit.fakes.in_memory_log import CREATED, InMemoryLog, LogInfo
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint, read_models
from tests.kit.run.devices import new_history
from tests.kit.run.history_loop import (
    SUBMITTED,
    append_events,
    caught_up,
    expected_outputs,
    projecting,
    states,
    turn_events,
    whole_story,
)
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.stack import RealServers


async def test_the_log_becomes_rows(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with projecting(log, fresh_database):
        await whole_story(log, history)
        await caught_up(log, fresh_database)

    models = await read_models(fresh_database)
    state = (await states(fresh_database))[history.task]
    assert (state.phase, state.version, state.cost_microusd) == ("finished", 11, 30)
    assert [row[2:4] for row in models["message"]] == [
        ("person", "Fix"),
        ("agent", "turn 1"),
        ("agent", "turn 2"),
        ("agent", "turn 3"),
        ("summary", "Done"),
    ]
    assert [row[11] for row in models["tool_call"]] == expected_outputs(3)
    assert all(row[5] and row[6] for row in models["tool_call"])
    assert len(models["usage"]) == 3


async def test_a_restart_goes_on_where_it_stopped(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    head = await append_events(log, history, SUBMITTED)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)
    followed: list[int] = []
    follow = log.follow

    def watched(name: str, *, after: int = 0, until: asyncio.Event) -> AsyncIterator[Any]:
        followed.append(after)
        return follow(name, after=after, until=until)

    log.follow = watched  # type: ignore[method-assign]
    await append_events(log, history, *turn_events(1), after=head)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)

    assert followed == [1]
    assert (await states(fresh_database))[history.task].tool_calls == 1


async def test_it_is_the_same_in_one_batch_or_event_by_event(servers: RealServers) -> None:
    logs = [InMemoryLog[Any](), InMemoryLog[Any]()]
    histories = [new_history() for _ in range(3)]
    for history in histories:
        await whole_story(logs[0], history)
    found = []
    for log in logs:
        log.recorded = logs[0].recorded
        url = await _database(servers, f"batch_{len(found)}")
        if found:
            log.follow = _one_by_one(log)  # type: ignore[method-assign]
        async with projecting(log, url):
            await caught_up(log, url)
        found.append(await read_models(url))

    assert found[0] == found[1]
    assert len(found[0]["task"]) == 3


async def _database(servers: RealServers, name: str) -> str:
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return servers.servers.database_url(name)


def _one_by_one(log: InMemoryLog[Any]) -> Any:
    async def follow(
        name: str, *, after: int = 0, until: asyncio.Event
    ) -> AsyncIterator[Sequence[Any]]:
        for recorded in log.recorded[after:]:
            yield [recorded]
        await until.wait()

    return follow


async def test_a_second_projector_waits_and_takes_over(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    head = await append_events(log, history, SUBMITTED)
    async with AsyncExitStack() as second:
        async with projecting(log, fresh_database) as first:
            await caught_up(log, fresh_database)
            other = await second.enter_async_context(projecting(log, fresh_database))
            await eventually(lambda: other.is_standby)
            for number in range(1, 6):
                head = await append_events(log, history, *turn_events(number), after=head)
            await caught_up(log, fresh_database)
            assert (first.is_standby, other.is_standby) == (False, True)
        await eventually(lambda: not other.is_standby)
        await append_events(log, history, *turn_events(6), after=head)
        await caught_up(log, fresh_database)

    assert (await states(fresh_database))[history.task].tool_calls == 6


async def test_a_checkpoint_that_somebody_moved_is_taken_up_where_it_stands(
    fresh_database: str,
) -> None:
    """Whatever wrote without the lock: the fence keeps each event applied once."""
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    head = await append_events(log, history, SUBMITTED)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)
        connection = await asyncpg.connect(fresh_database)
        names = ", ".join(f"read.{table.name}" for table in TABLES)
        await connection.execute(
            f"BEGIN; TRUNCATE {names}; UPDATE read.checkpoint SET sequence = 0; COMMIT"
        )
        await connection.close()
        await append_events(log, history, *turn_events(1), after=head)
        await caught_up(log, fresh_database)

    assert (await states(fresh_database))[history.task].tool_calls == 1


async def test_a_schema_dropped_under_a_projector_is_built_again(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    head = await append_events(log, history, SUBMITTED)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)
        connection = await asyncpg.connect(fresh_database)
        await connection.execute("DROP SCHEMA read CASCADE")
        await connection.close()
        await append_events(log, history, *turn_events(1), after=head)
        await eventually(lambda: _rebuilt(log, fresh_database))

    assert (await states(fresh_database))[history.task].tool_calls == 1


async def _rebuilt(log: InMemoryLog[Any], url: str) -> bool:
    try:
        return await checkpoint(url) == len(log.recorded)
    except asyncpg.UndefinedTableError:
        return False


async def test_what_postgres_has_no_room_for_stops_nothing(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    head = await append_events(log, history, SUBMITTED)
    long = CallId("🙂" * 200)
    await append_events(
        log,
        history,
        ToolStarted(call=long, tool="t", title="long"),
        ToolCompleted(call=long, output="of the long", exit_code=2**53),
        ToolStarted(call=CallId("🙂" * 199), tool="t", title="another"),
        QuestionAsked(request=RequestId("r\x00"), call=long, text="?", options=("\x00", "b")),
        ArtifactStored(name="🙂" * 4_000, media_type="m", blob=Blob("k\x00", 2**53, "s")),
        MachineLost(attempt=2**53, reason="r", retry_at=CREATED),
        *turn_events(1),
        after=head,
    )
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)

    models = await read_models(fresh_database)
    assert {row[4]: (row[7], row[11]) for row in models["tool_call"]} == {
        "long": (2**53, "of the long"),
        "another": (None, None),
        "ls": (0, "output 1"),
    }
    assert models["question"][0][5] == ["\N{REPLACEMENT CHARACTER}", "b"]
    assert models["artifact"][0][5] == models["machine"][0][1] == 2**53
    assert len(models["event"]) == 10


async def test_an_erased_task_is_gone_from_every_model(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    early, late, other = new_history(), new_history(), new_history()
    head = await whole_story(log, early)
    await whole_story(log, other, turns=1)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)
        link = await asyncpg.connect(fresh_database)
        for schema in (store.NEXT, store.PREVIOUS):  # a rebuild left them
            await link.execute(f"CREATE SCHEMA {schema}")
            await link.execute(f"CREATE TABLE {schema}.message AS SELECT * FROM read.message")
        await append_events(log, early, TaskErased(reason="asked"), after=head)
        head = await whole_story(log, late)
        await append_events(log, late, TaskErased(reason="asked"), after=head)
        await caught_up(log, fresh_database)

    models = await read_models(fresh_database)
    assert {row[1]: row[3] for row in models.pop("event")} == {
        early.task: "task.erased",
        late.task: "task.erased",
        other.task: "task.finished",
    }
    assert {row[0] for rows in models.values() for row in rows} == {other.task}
    for schema in (store.NEXT, store.PREVIOUS):
        left = await link.fetch(f"SELECT DISTINCT task FROM {schema}.message")
        assert [row["task"] for row in left] == [other.task]
    await link.close()


async def test_characters_postgres_refuses_are_replaced(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    head = await append_events(
        log,
        history,
        TaskSubmitted(prompt="a\x00b \\u0000", repository=Repository("u\x00"), model="m\x00"),
    )
    await append_events(
        log,
        history,
        ToolStarted(call=CallId("c\x00"), tool="t\x00", title="\x00"),
        ToolCompleted(call=CallId("c\x00"), output="\x00\\u0000\ud7ff\U0001f600"),
        after=head,
    )
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)

    models = await read_models(fresh_database)
    assert models["message"][0][3] == "a� b \\u0000".replace(" b", "b")
    assert models["tool_call"][0][11] == "�\\u0000\ud7ff\U0001f600"
    assert (await states(fresh_database))[history.task].prompt == "a�b \\u0000"


async def test_another_log_than_the_checkpoints_is_refused(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    await append_events(log, new_history(), SUBMITTED)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)

    async def another() -> LogInfo:
        return LogInfo(CREATED + timedelta(days=1), 5)

    log.info = another  # type: ignore[method-assign]
    async with projecting(log, fresh_database) as loop:
        await eventually(lambda: "Drop schema `read`" in loop.waiting_for)


async def test_a_log_that_ends_before_the_checkpoint_is_refused(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    await whole_story(log, history)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)
    del log.recorded[5:]

    async with projecting(log, fresh_database) as loop:
        await eventually(lambda: "ends at 5" in loop.waiting_for)


async def test_a_dropped_schema_is_built_again_the_same(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    for _ in range(3):
        await whole_story(log, new_history())
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)
    first = await read_models(fresh_database)
    connection = await asyncpg.connect(fresh_database)
    await connection.execute("DROP SCHEMA read CASCADE")
    await connection.close()

    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)

    assert await read_models(fresh_database) == first


async def test_it_follows_the_real_log_in_the_projectors_own_role(
    servers: RealServers, fresh_database: str
) -> None:
    history = new_history()
    async with (
        as_admin(servers) as admin,
        as_role(servers, "projector") as nats,
        projecting(JetStreamLog[Never](nats), fresh_database),
    ):
        head = await whole_story(JetStreamLog[Any](admin), history)
        await eventually(
            lambda: checkpoint(fresh_database), until=lambda at: at >= head.sequence, seconds=20
        )

    state = (await states(fresh_database))[history.task]
    assert (state.phase, state.version) == ("finished", 11)
