"""G6: a rebuild gives the same, runs beside live traffic, and swaps without losing the fence."""

import asyncio
from typing import Any, Never

import asyncpg
import pytest

from events import NOWHERE, History
from infra.log.jetstream import JetStreamLog
from services.projector.history.store import PREVIOUS
from services.projector.projections import TABLES, usage
from services.projector.rebuild import swap
from services.projector.rebuild.rebuild import Progress, Rebuild, Refused
from tests.kit.build.realistic_log import record
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint, read_models
from tests.kit.run.devices import new_history
from tests.kit.run.history_loop import SUBMITTED, append_events, projecting, turn_events
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.stack import RealServers


class Traffic:
    """Appends to a history of its own until told to stop."""

    def __init__(self, log: JetStreamLog[Any]) -> None:
        self._log = log
        self.stopping = asyncio.Event()
        self.history: History = new_history()
        self.turns = 0

    async def run(self) -> int:
        head = await append_events(self._log, self.history, SUBMITTED)
        while not self.stopping.is_set():
            self.turns += 1
            head = await append_events(
                self._log, self.history, *turn_events(self.turns), after=head
            )
        return head.sequence


async def hashed(url: str, schema: str) -> swap.Hashes:
    link = await asyncpg.connect(url)
    try:
        async with link.transaction():
            return await swap.hashes(link, schema, TABLES)
    finally:
        await link.close()


@pytest.mark.parametrize("name", ["everything", "one model"])
async def test_a_rebuild_beside_live_traffic_is_equal_and_takes_over(
    servers: RealServers, fresh_database: str, name: str
) -> None:
    tables = TABLES if name == "everything" else [usage.USAGE]
    told: list[Progress] = []
    async with as_admin(servers) as admin, as_role(servers, "projector") as nats:
        log, own = JetStreamLog[Any](admin), JetStreamLog[Never](nats)
        await record(log, 3_000, first_task=600_000 if name == "everything" else 700_000)
        traffic = Traffic(log)
        async with projecting(own, fresh_database), asyncio.TaskGroup() as group:
            live = group.create_task(traffic.run())
            await eventually(lambda: checkpoint(fresh_database), until=bool)
            for _ in range(3):
                rebuilt = await Rebuild(own, fresh_database, tables=tables).run(told.append)
                assert rebuilt.differing == []
                await _forget(fresh_database)
            turns = traffic.turns
            await eventually(lambda: traffic.turns, until=lambda now: now > turns)
            traffic.stopping.set()
            last = await live
            await eventually(lambda: checkpoint(fresh_database), until=lambda at: at >= last)
        found = await read_models(fresh_database)
        again = await _database_from_zero(servers, own, last)

    assert found == await read_models(again)
    assert sum(row[0] == traffic.history.task for row in found["usage"]) == traffic.turns
    assert {progress.stage for progress in told} >= {"building", "comparing", "swapping"}


async def _forget(url: str) -> None:
    link = await asyncpg.connect(url)
    assert await swap.drop(link, PREVIOUS)
    await link.close()


async def _database_from_zero(servers: RealServers, log: JetStreamLog[Never], up_to: int) -> str:
    name = f"zero_{up_to}"
    link = await asyncpg.connect(servers.postgres_url)
    await link.execute(f'DROP DATABASE IF EXISTS "{name}"')
    await link.execute(f'CREATE DATABASE "{name}"')
    await link.close()
    url = servers.servers.database_url(name)
    async with projecting(log, url):
        await eventually(lambda: checkpoint(url), until=lambda at: at >= up_to, seconds=90)
    return url


async def test_a_rebuild_that_is_cancelled_goes_on_where_it_was(
    servers: RealServers, fresh_database: str
) -> None:
    async with as_admin(servers) as admin, as_role(servers, "projector") as nats:
        log, own = JetStreamLog[Any](admin), JetStreamLog[Never](nats)
        await record(log, 6_000, first_task=800_000)
        head = (await log.info()).last_sequence
        async with projecting(own, fresh_database):
            await eventually(
                lambda: checkpoint(fresh_database), until=lambda at: at >= head, seconds=90
            )
            stopped_at = await _cancelled_half_way(own, fresh_database)
            told: list[Progress] = []
            await Rebuild(own, fresh_database).run(told.append)

    assert stopped_at <= told[0].sequence  # what it had committed by then
    assert await hashed(fresh_database, "read") == await hashed(fresh_database, PREVIOUS)


async def _cancelled_half_way(log: JetStreamLog[Never], url: str) -> int:
    under_way = asyncio.Event()

    def report(at: Progress) -> None:
        if at.sequence > at.of / 3:
            under_way.set()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(Rebuild(log, url).run(report))
        await under_way.wait()
        running.cancel()
    link = await asyncpg.connect(url)
    at = await link.fetchval("SELECT sequence FROM read_next.checkpoint")
    await link.close()
    return int(at)


async def test_a_difference_is_found_and_not_swapped_unless_it_is_meant(
    servers: RealServers, fresh_database: str
) -> None:
    async with as_admin(servers) as admin, as_role(servers, "projector") as nats:
        log, own = JetStreamLog[Any](admin), JetStreamLog[Never](nats)
        head = await append_events(log, new_history(), SUBMITTED, *turn_events(1))
        async with projecting(own, fresh_database):
            await eventually(
                lambda: checkpoint(fresh_database),
                until=lambda at: at >= head.sequence,
                seconds=90,
            )
            link = await asyncpg.connect(fresh_database)
            await link.execute("UPDATE read.usage SET cost_microusd = cost_microusd + 1")
            rebuild = Rebuild(own, fresh_database)
            with pytest.raises(Refused, match="differs from what is live in: usage. Nothing was"):
                await rebuild.run(lambda _: None)
            assert not await swap.has(link, PREVIOUS)

            rebuilt = await rebuild.run(lambda _: None, accepts_differences=True)

            assert rebuilt.differing == ["usage"]
            wrong = await link.fetchval("SELECT sum(cost_microusd) FROM read_previous.usage")
            right = await link.fetchval("SELECT sum(cost_microusd) FROM read.usage")
            assert right < wrong
            with pytest.raises(Refused, match="errand projector forget"):
                await rebuild.run(lambda _: None)
            await link.close()


async def test_the_projector_waits_while_it_is_held_up_and_goes_on_in_the_new_schema(
    servers: RealServers, fresh_database: str
) -> None:
    history = new_history()
    async with as_admin(servers) as admin, as_role(servers, "projector") as nats:
        log, own = JetStreamLog[Any](admin), JetStreamLog[Never](nats)
        head = await append_events(log, history, SUBMITTED, after=NOWHERE)
        async with projecting(own, fresh_database):
            await eventually(
                lambda: checkpoint(fresh_database), until=lambda at: at >= head.sequence, seconds=90
            )
            link = await asyncpg.connect(fresh_database)
            await link.execute("CREATE SCHEMA read_next")
            for table in ("checkpoint", "migration", *(table.name for table in TABLES)):
                await link.execute(
                    f"CREATE TABLE read_next.{table} (LIKE read.{table} INCLUDING ALL)"
                )
                await link.execute(f"INSERT INTO read_next.{table} SELECT * FROM read.{table}")
            async with link.transaction():
                at = (await swap.hold_writers(link)).sequence
                head = await append_events(log, history, *turn_events(1), after=head)
                await _somebody_waits(servers, fresh_database)
                await swap.swap_all(link, at)
            await eventually(
                lambda: checkpoint(fresh_database), until=lambda at: at >= head.sequence
            )
            assert await link.fetchval("SELECT sequence FROM read_previous.checkpoint") == at
            assert (
                await link.fetchval(
                    "SELECT count(*) FROM read_previous.usage WHERE task = $1", history.task
                )
                == 0
            )
            assert (
                await link.fetchval("SELECT count(*) FROM read.usage WHERE task = $1", history.task)
                == 1
            )
            await link.close()


async def _somebody_waits(servers: RealServers, url: str) -> None:
    link = await asyncpg.connect(url)
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    await eventually(lambda: link.fetchval(query), until=lambda waiting: waiting == 1)
    await link.close()
