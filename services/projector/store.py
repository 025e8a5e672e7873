"""The read models in Postgres: where a projection stands, and rows written with it.

Rows and checkpoint move in one transaction, fenced by the checkpoint's old value, so a batch is
applied exactly once whatever dies when, and a second projector stops at its first write.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple

import asyncpg
import msgspec

from events import TaskId
from infra.migrations import migrate
from infra.task_state import TaskState
from services.projector.projections.task import decode
from services.projector.rows import Write, storable_json

SCHEMA = files("services.projector") / "schema"
PROJECTION = "history"

_LOAD = "SELECT sequence, log_created FROM read.checkpoint WHERE projection = $1"
_BEGIN = """
    INSERT INTO read.checkpoint (projection, sequence, log_created) VALUES ($1, 0, $2)
    ON CONFLICT (projection) DO NOTHING
"""
_ADVANCE = """
    UPDATE read.checkpoint SET sequence = $3 WHERE projection = $1 AND sequence = $2 RETURNING 1
"""
_STATES = "SELECT task, state::text FROM read.task WHERE task = ANY($1::text[])"
_encoder = msgspec.json.Encoder()


class Fenced(Exception):
    """Another projector has moved the checkpoint; this one must stop."""


class Checkpoint(NamedTuple):
    """The last sequence applied, and when the log it counts in was created."""

    sequence: int
    log_created: datetime


async def open_checkpoint(connection: asyncpg.Connection, log_created: datetime) -> Checkpoint:
    """Bring the schema up to date and read the checkpoint, beginning one where there is none."""
    await migrate(connection, "read", SCHEMA)
    await connection.execute(_BEGIN, PROJECTION, log_created)
    return await load_checkpoint(connection)


async def load_checkpoint(connection: asyncpg.Connection) -> Checkpoint:
    """Read where the projection stands. Raises Fenced when there is no checkpoint any more."""
    row = await connection.fetchrow(_LOAD, PROJECTION)
    if row is None:
        raise Fenced("the checkpoint was removed: the read models are being rebuilt")
    return Checkpoint(row["sequence"], row["log_created"])


async def load_states(
    connection: asyncpg.Connection, tasks: Iterable[TaskId]
) -> Mapping[TaskId, TaskState]:
    """Read the states of these tasks as the checkpoint left them; unknown tasks are left out."""
    rows = await connection.fetch(_STATES, list(tasks))
    return {TaskId(row["task"]): decode(row["state"]) for row in rows}


async def apply(
    connection: asyncpg.Connection, writes: Sequence[Write], *, before: int, after: int
) -> None:
    """Write rows and move the checkpoint from `before` to `after`, together or not at all.

    Raises Fenced when the checkpoint is not at `before`.
    """
    async with connection.transaction():
        if await connection.fetchval(_ADVANCE, PROJECTION, before, after) is None:
            raise Fenced(f"the checkpoint is no longer at {before}: another projector is running")
        for write in writes:
            rows = storable_json(_encoder.encode(write.rows)).decode()
            await connection.execute(_upsert(write), rows)


def _upsert(write: Write) -> str:
    """Spell one statement for all rows of a write. Names come from this code, never from events."""
    names = ", ".join(f'"{column}"' for column in write.columns)
    changes = ", ".join(
        f'"{column}" = excluded."{column}"'
        for column in write.columns
        if column not in write.table.key
    )
    key = ", ".join(write.table.key)
    table = f"read.{write.table.name}"
    return (
        f"INSERT INTO {table} ({names}) "  # noqa: S608 - see the docstring
        f"SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb) "
        f"ON CONFLICT ({key}) DO UPDATE SET {changes}"
    )
