"""The history loop on a real Postgres: rows are a fold of the log, whatever dies when."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Never

import asyncpg
import pytest

from events import (
    NOWHERE,
    CallId,
    Head,
    History,
    ModelReplied,
    Repository,
    TaskFinished,
    TaskInstructed,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
    Usage,
)
from infra.event_log import EventLog
from infra.jetstream import JetStreamLog
from infra.task_state import TaskState
from services.projector import store
from services.projector.history import HistoryLoop, WrongLog
from services.projector.projections.task import decode
from tests.support.devices import SCRIBE, new_history
from tests.support.eventually import eventually
from tests.support.in_memory_log import CREATED, InMemoryLog, LogInfo
from tests.support.nats_connections import as_admin, as_role
from tests.support.outages import halted
from tests.support.postgres_rows import checkpoint, read_models
from tests.support.stack import RealServers

SUBMITTED = TaskSubmitted(prompt="Mend", repository=Repository("u"), model="m")


def deed(number: int) -> list[Any]:
    call = CallId(f"c{number}")
    return [
        ModelReplied(
            turn=number,
            stop_reason="tool_use",
            usage=Usage(input_tokens=1),
            cost_microusd=10,
            blocks=({"type": "text", "text": f"turn {number}"},),
        ),
        ToolStarted(call=call, tool="bash", title="ls"),
        ToolCompleted(call=call, output=f"output {number}"),
    ]


async def tell(log: EventLog[Any], history: History, *facts: Any, after: Head = NOWHERE) -> Head:
    return await log.append(history, SCRIBE.drafts(facts, by="t"), after=after)


async def whole_story(log: EventLog[Any], history: History, turns: int = 3) -> Head:
    head = await tell(log, history, SUBMITTED)
    for number in range(1, turns + 1):
        head = await tell(log, history, *deed(number), after=head)
    return await tell(log, history, TaskFinished(summary="Done", outcome="branch"), after=head)


@asynccontextmanager
async def projecting(log: Any, url: str) -> AsyncIterator[HistoryLoop]:
    loop = HistoryLoop(log, url)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(loop.run(stopping))
        yield loop
        stopping.set()


async def caught_up(log: InMemoryLog[Any], url: str, *, seconds: float = 20) -> None:
    await eventually(
        lambda: checkpoint(url), until=lambda at: at == len(log.recorded), seconds=seconds
    )


async def states(url: str) -> dict[str, TaskState]:
    models = await read_models(url)
    return {row[0]: decode(row[8]) for row in models["task"]}


def expected_outputs(turns: int) -> list[str]:
    return [f"output {number}" for number in range(1, turns + 1)]


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
        ("person", "Mend"),
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
    head = await tell(log, history, SUBMITTED)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)
    followed: list[int] = []
    follow = log.follow

    def watched(name: str, *, after: int = 0, until: asyncio.Event) -> AsyncIterator[Any]:
        followed.append(after)
        return follow(name, after=after, until=until)

    log.follow = watched  # type: ignore[method-assign]
    await tell(log, history, *deed(1), after=head)
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


async def test_a_second_projector_is_fenced_off_at_its_first_write(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    head = await tell(log, history, SUBMITTED)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)
        slow = HistoryLoop(log, fresh_database)  # type: ignore[arg-type]
        stopping = asyncio.Event()
        gate = asyncio.Event()
        log_apply = slow._apply

        async def late(batch: Any, *, before: int) -> None:
            await gate.wait()
            await log_apply(batch, before=before)

        slow._apply = late  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as group:
            fenced = group.create_task(_raises_fenced(slow, stopping))
            await asyncio.sleep(0.2)
            await tell(log, history, *deed(1), after=head)
            await caught_up(log, fresh_database)
            gate.set()
            await fenced

    assert (await states(fresh_database))[history.task].tool_calls == 1


async def _raises_fenced(loop: HistoryLoop, stopping: asyncio.Event) -> None:
    with pytest.raises(store.Fenced, match="another projector"):
        await loop.run(stopping)


async def test_a_killed_postgres_loses_nothing_and_repeats_nothing(
    servers: RealServers, fresh_database: str
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with projecting(log, fresh_database):
        head = await tell(log, history, SUBMITTED)
        await caught_up(log, fresh_database)
        async with asyncio.TaskGroup() as group:
            group.create_task(servers.kill("postgres"))
            for number in range(1, 41):
                head = await tell(log, history, *deed(number), after=head)
                await asyncio.sleep(0.02)  # so that some of it happens before, some after
        await eventually(
            lambda: _checkpoint(fresh_database), until=lambda at: at == 121, seconds=30
        )

    models = await read_models(fresh_database)
    state = (await states(fresh_database))[history.task]
    assert (state.version, state.tool_calls, state.cost_microusd) == (121, 40, 400)
    assert sorted(row[11] for row in models["tool_call"]) == sorted(expected_outputs(40))
    assert len(models["message"]) == 41


async def _checkpoint(url: str) -> int:
    try:
        return await checkpoint(url)
    except (OSError, asyncpg.PostgresError):
        return -1


async def test_a_postgres_that_is_away_at_the_start_is_waited_for(
    servers: RealServers, fresh_database: str
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    await tell(log, new_history(), SUBMITTED)
    async with halted(servers, "postgres") as resume, projecting(log, fresh_database):
        await asyncio.sleep(0.2)  # it tries at least once
        await resume()
        await caught_up(log, fresh_database)


async def test_a_postgres_that_stops_in_order_is_waited_for(
    servers: RealServers, fresh_database: str
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with projecting(log, fresh_database):
        head = await tell(log, history, SUBMITTED)
        await caught_up(log, fresh_database)
        await servers.restart("postgres")
        await tell(log, history, *deed(1), after=head)
        await caught_up(log, fresh_database)

    assert (await states(fresh_database))[history.task].tool_calls == 1


async def test_a_commit_whose_answer_is_lost_is_not_applied_twice(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    losses = [asyncpg.ConnectionDoesNotExistError("lost"), OSError("lost")]
    apply = store.apply

    async def lossy(*arguments: Any, **more: Any) -> None:
        await apply(*arguments, **more)
        if losses:
            raise losses.pop()

    monkeypatch.setattr(store, "apply", lossy)
    async with projecting(log, fresh_database):
        head = await whole_story(log, history, turns=1)
        await caught_up(log, fresh_database)
        await tell(log, history, TaskInstructed(text="More"), after=head)
        await caught_up(log, fresh_database)

    state = (await states(fresh_database))[history.task]
    assert losses == []
    assert (state.version, state.tool_calls, state.cost_microusd) == (6, 1, 10)
    assert state.phase == "queued"


async def test_characters_postgres_refuses_are_replaced(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    head = await tell(
        log,
        history,
        TaskSubmitted(prompt="a\x00b \\u0000", repository=Repository("u\x00"), model="m\x00"),
    )
    await tell(
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
    await tell(log, new_history(), SUBMITTED)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)

    async def another() -> LogInfo:
        return LogInfo(CREATED + timedelta(days=1), 5)

    log.info = another  # type: ignore[method-assign]
    with pytest.raises(WrongLog, match="Drop schema `read`"):
        await HistoryLoop(log, fresh_database).run(asyncio.Event())  # type: ignore[arg-type]


async def test_a_log_that_ends_before_the_checkpoint_is_refused(fresh_database: str) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    await whole_story(log, history)
    async with projecting(log, fresh_database):
        await caught_up(log, fresh_database)
    del log.recorded[5:]

    with pytest.raises(WrongLog, match="ends at 5"):
        await HistoryLoop(log, fresh_database).run(asyncio.Event())  # type: ignore[arg-type]


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
