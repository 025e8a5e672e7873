"""States that an older version folded: they say what they do not know, and come to know it."""

from typing import Any, Never

import asyncpg
import msgspec
import pytest
import redis.asyncio as redis
import structlog
from structlog.testing import capture_logs

from events import BudgetRaised
from events.protocol.task_state import TaskBudget, TaskState, evolve
from infra.log.jetstream import JetStreamLog
from infra.stores.live_channels import state_key
from services.projector.history import loop
from services.projector.history.store import Store
from services.projector.rebuild.rebuild import Rebuild
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint
from tests.kit.run.devices import new_history
from tests.kit.run.history_loop import append_events, caught_up, projecting, states, whole_story
from tests.kit.run.live_loop import DONE, SUBMITTED, append, reached, telling
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.stack import RealServers

NEW = ("since", "budget", "budget_exhausted", "retry_at", "policy")


def as_stored_before(state: TaskState) -> bytes:
    stored = msgspec.to_builtins(state)
    return msgspec.json.encode({name: stored[name] for name in stored if name not in NEW})


async def make_old(url: str) -> None:
    link = await asyncpg.connect(url)
    for name in NEW:
        await link.execute("UPDATE read.task SET state = state - $1::text", name)
    await link.close()


async def outdated(url: str) -> int:
    store = Store(url)
    try:
        return await store.outdated()
    finally:
        await store.close()


async def test_a_live_state_of_an_older_version_is_folded_again_with_the_next_event(
    client: redis.Redis,
) -> None:
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with telling(log, client):
        head = await append(log, history, SUBMITTED, BudgetRaised(cost_microusd=5))
        state = await reached(client, history, 2)
    await client.hset(state_key(history.task), "state", as_stored_before(state))
    async with telling(log, client):
        await append(log, history, DONE, after=head)
        state = await reached(client, history, 3)

    assert state.since == state.ended_at
    assert (state.policy, state.budget) == ("never", TaskBudget())
    expected = None
    for recorded in log.recorded:
        expected = evolve(expected, recorded)
    assert state == expected


async def test_a_projector_names_the_remedy_for_states_of_an_older_version(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_log", structlog.get_logger())  # one that was not used before
    log: InMemoryLog[Any] = InMemoryLog()
    history = new_history()
    async with projecting(log, fresh_database):
        head = await whole_story(log, history)
        await caught_up(log, fresh_database)
    assert await outdated(fresh_database) == 0

    await make_old(fresh_database)
    with capture_logs() as logged:
        async with projecting(log, fresh_database):
            await append_events(log, history, BudgetRaised(cost_microusd=1), after=head)
            await caught_up(log, fresh_database)
            await eventually(
                lambda: any(each["event"] == "projector.states_outdated" for each in logged)
            )

    [warning] = [entry for entry in logged if entry["event"] == "projector.states_outdated"]
    assert (warning["tasks"], warning["log_level"]) == (1, "warning")
    assert warning["remedy"] == "errand projector rebuild --accept-differences"
    assert await outdated(fresh_database) == 1
    state = (await states(fresh_database))[history.task]
    assert (state.version, state.budget) == (12, None)


async def test_a_rebuild_fills_in_what_an_older_version_did_not_fold(
    servers: RealServers, fresh_database: str
) -> None:
    async with as_admin(servers) as admin, as_role(servers, "projector") as nats:
        log, own = JetStreamLog[Any](admin), JetStreamLog[Never](nats)
        history = new_history()
        head = await whole_story(log, history)
        async with projecting(own, fresh_database):
            await eventually(
                lambda: checkpoint(fresh_database),
                until=lambda at: at >= head.sequence,
                seconds=90,
            )
            before = (await states(fresh_database))[history.task]
            await make_old(fresh_database)

            rebuilt = await Rebuild(own, fresh_database).run(
                lambda _: None, accepts_differences=True
            )

    assert rebuilt.differing == ["task"]
    assert await outdated(fresh_database) == 0
    assert (await states(fresh_database))[history.task] == before
