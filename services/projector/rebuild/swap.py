"""SQL that compares two sets of read models, and swaps them.

Three schemas: `read` is what everybody reads, `read_next` is being built beside it, `read_previous`
is what was in use before, kept until `errand projector forget`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import asyncpg

from services.projector.history.store import (
    NEXT,
    PREVIOUS,
    PROJECTION,
    SCHEMA,
    Checkpoint,
    load_checkpoint,
)
from services.projector.projections.table import Table

_LOCK: Final = 0x7265_6164  # "read": one rebuild at a time
_LOCK_SECONDS: Final = 5
_OF_THEIR_TASK: Final = ("message", "tool_call", "event", "snapshot")

Hashes = Mapping[str, str]
"""For each table: the number of rows, and a hash of them all."""


async def lock_out_others(connection: asyncpg.Connection) -> bool:
    """Lock out other rebuilds while this connection lives; return False when one is under way."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK))


async def has(connection: asyncpg.Connection, schema: str, table: str = "") -> bool:
    """Return whether the schema, or the table in it, exists."""
    if table:
        return await connection.fetchval("SELECT to_regclass($1)", f"{schema}.{table}") is not None
    return await connection.fetchval("SELECT to_regnamespace($1)", schema) is not None


async def purpose(connection: asyncpg.Connection) -> str:
    """Return the purpose of the shadow schema, as `label` wrote it; empty when there is none."""
    query = "SELECT obj_description(to_regnamespace($1)::oid, 'pg_namespace')"
    return await connection.fetchval(query, NEXT) or ""


async def label(connection: asyncpg.Connection, text: str) -> None:
    """Create the shadow schema with its purpose as a comment."""
    await connection.execute(f"CREATE SCHEMA {NEXT}")
    quoted = await connection.fetchval("SELECT quote_literal($1::text)", text)
    await connection.execute(f"COMMENT ON SCHEMA {NEXT} IS {quoted}")


async def drop(connection: asyncpg.Connection, schema: str) -> bool:
    """Drop a schema and all that is in it; return False when it was not there."""
    was_there = await has(connection, schema)
    await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    return was_there


async def hashes(connection: asyncpg.Connection, schema: str, tables: Collection[Table]) -> Hashes:
    """Hash the rows of each table, whatever order they lie in.

    The hash of a table is the sum of its rows' 128-bit hashes: equal rows, equal sum. Computed by
    Postgres in one pass, so it compares tables of one server and not of different versions.
    """
    await connection.execute("SET LOCAL TimeZone = 'UTC'")
    found = {}
    for table in tables:
        names = ", ".join(f'"{column}"' for column in table.columns)
        [row] = await connection.fetch(
            "SELECT count(*) AS rows, sum(hashtextextended(r::text, 0)::numeric) AS one, "  # noqa: S608 - our own names
            "sum(hashtextextended(r::text, 1)::numeric) AS other "
            f"FROM (SELECT {names} FROM {schema}.{table.name}) AS r"
        )
        one, other = (int(row[half] or 0) % 2**64 for half in ("one", "other"))
        found[table.name] = f"{row['rows']}:{one:016x}{other:016x}"
    return found


async def hold_writers(connection: asyncpg.Connection) -> Checkpoint:
    """Wait for the projector's transaction and block the next one; return the checkpoint.

    Within a transaction, whose end lets it go on. Raises asyncpg.LockNotAvailableError when the
    lock is not to be had for some seconds.
    """
    await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
    await connection.execute(f"LOCK TABLE {SCHEMA}.checkpoint IN ACCESS EXCLUSIVE MODE")
    return await load_checkpoint(connection, SCHEMA)


async def swap_all(connection: asyncpg.Connection, at: int) -> None:
    """Swap the shadow and the read models, with its checkpoint at `at`; keep the old.

    Within the transaction of `hold_writers`. The projector goes on in the new schema: its next
    statement finds the name again once the lock is let go, and the checkpoint where it left it.
    """
    await connection.execute(
        f"UPDATE {NEXT}.checkpoint SET sequence = $1 WHERE projection = $2",  # noqa: S608 - our own name
        at,
        PROJECTION,
    )
    await connection.execute(f"COMMENT ON SCHEMA {NEXT} IS NULL")
    await connection.execute(f"ALTER SCHEMA {SCHEMA} RENAME TO {PREVIOUS}")
    await connection.execute(f"ALTER SCHEMA {NEXT} RENAME TO {SCHEMA}")


async def swap_some(connection: asyncpg.Connection, tables: Sequence[Table]) -> None:
    """Swap these tables of the shadow with their namesakes; keep the old.

    Within the transaction of `hold_writers`; what else is in the shadow goes.
    """
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {PREVIOUS}")
    for table in tables:
        await connection.execute(f"ALTER TABLE {SCHEMA}.{table.name} SET SCHEMA {PREVIOUS}")
        await connection.execute(f"ALTER TABLE {NEXT}.{table.name} SET SCHEMA {SCHEMA}")
    await drop(connection, NEXT)
    await _renew_policies(connection)


async def _renew_policies(connection: asyncpg.Connection) -> None:
    """Bind the policies of tables without an account to the table `task` that is live now.

    A policy means the very table it was made with: one that was swapped goes with its schema.
    """
    for name in _OF_THEIR_TASK:
        await connection.execute(f"DROP POLICY IF EXISTS own ON {SCHEMA}.{name}")
        await connection.execute(
            f"CREATE POLICY own ON {SCHEMA}.{name} USING "
            f"(current_setting('errand.account', true) = '*' "
            f"OR EXISTS (SELECT FROM {SCHEMA}.task AS t WHERE t.task = {name}.task))"
        )
