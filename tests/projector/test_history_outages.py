"""The history loop while Postgres comes and goes: nothing is lost and nothing applied twice."""

import asyncio
from typing import Any

import asyncpg
import pytest

from events import (
    TaskInstructed,
)
from services.projector.history import store
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.faults.outages import halted
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
from tests.kit.servers.stack import RealServers


async def test_a_killed_postgres_loses_nothing_and_repeats_nothing(
    servers: RealServers, fresh_database: str
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with projecting(log, fresh_database):
        head = await append_events(log, history, SUBMITTED)
        await caught_up(log, fresh_database)
        async with asyncio.TaskGroup() as group:
            group.create_task(servers.kill("postgres"))
            for number in range(1, 41):
                head = await append_events(log, history, *turn_events(number), after=head)
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
    await append_events(log, new_history(), SUBMITTED)
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
        head = await append_events(log, history, SUBMITTED)
        await caught_up(log, fresh_database)
        await servers.restart("postgres")
        await append_events(log, history, *turn_events(1), after=head)
        await caught_up(log, fresh_database)

    assert (await states(fresh_database))[history.task].tool_calls == 1


async def test_a_commit_whose_answer_is_lost_is_not_applied_twice(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    losses = [asyncpg.ConnectionDoesNotExistError("lost"), ConnectionResetError("lost")]
    apply = store.Store._apply

    async def lossy(*arguments: Any) -> None:
        await apply(*arguments)
        if losses:
            raise losses.pop()

    monkeypatch.setattr(store.Store, "_apply", lossy)
    async with projecting(log, fresh_database):
        head = await whole_story(log, history, turns=1)
        await caught_up(log, fresh_database)
        await append_events(log, history, TaskInstructed(text="More"), after=head)
        await caught_up(log, fresh_database)

    state = (await states(fresh_database))[history.task]
    assert losses == []
    assert (state.version, state.tool_calls, state.cost_microusd) == (6, 1, 10)
    assert state.phase == "queued"
