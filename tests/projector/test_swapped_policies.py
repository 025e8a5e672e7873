"""Row-level security after a rebuild of one model: each account still sees its own rows."""

import asyncpg
import pytest

from infra.runtime.clock import utc_now
from services.projector.history.store import NEXT, PREVIOUS, Store
from services.projector.projections import TABLES
from services.projector.rebuild import swap


async def visible(connection: asyncpg.Connection, account: str, table: str) -> int:
    async with connection.transaction():
        bind = "SELECT set_config('role', $1, true), set_config('errand.account', $2, true)"
        await connection.execute(bind, "errand_gateway", account)
        return int(await connection.fetchval(f"SELECT count(*) FROM read.{table}"))


@pytest.mark.parametrize("model", ["task", "message", "tool_call", "event", "snapshot"])
async def test_one_model_rebuilt_alone_leaves_every_account_its_own_rows(
    fresh_database: str, model: str
) -> None:
    stores = Store(fresh_database), Store(fresh_database, schema=NEXT)
    for store in stores:
        await store.open(utc_now())
        await store.close()
    connection = await asyncpg.connect(fresh_database)
    async with connection.transaction():
        await swap.hold_writers(connection)
        await swap.swap_some(connection, [table for table in TABLES if table.name == model])
    await swap.drop(connection, PREVIOUS)
    await connection.execute(
        """
        INSERT INTO read.task (task, account) VALUES ('t', 'acc_ada');
        INSERT INTO read.message (task, version) VALUES ('t', 1);
        INSERT INTO read.tool_call (task, call) VALUES ('t', 'c');
        INSERT INTO read.event (sequence, task) VALUES (1, 't');
        INSERT INTO read.snapshot (task, version) VALUES ('t', 1);
        """
    )

    for table in ("task", "message", "tool_call", "event", "snapshot"):
        assert await visible(connection, "acc_ada", table) == 1, table
        assert await visible(connection, "acc_bob", table) == 0, table
    await connection.close()
