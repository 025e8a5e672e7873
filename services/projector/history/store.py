"""The read models in Postgres: the checkpoint, and the rows written with it.

Rows and checkpoint move in one transaction, fenced by the checkpoint's old value, so a batch is
applied exactly once whatever dies when. Of several projectors one holds a lock and works, the
others wait; the fence holds even where the lock does not. The first statement of a transaction
locks the checkpoint: who holds that lock (services.projector.rebuild.swap) holds up the writers,
and they go on in whatever schema has the name when it is let go.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import asyncpg

from events import TaskId
from events.protocol.task_state import TaskState
from infra.runtime.telemetry import logger
from infra.stores.postgres.migrations import migrate
from infra.stores.postgres.reconnecting import ReconnectingPostgres
from services.projector.projections import TABLES
from services.projector.projections.fold import Changes
from services.projector.projections.table import Table, Write, acceptable
from services.projector.projections.task import decode

PROJECTION: Final = "history"
SCHEMA: Final = "read"
NEXT: Final = "read_next"
PREVIOUS: Final = "read_previous"

_FEW_ROWS: Final = 100
"""Up to this many rows are upserted; more are copied, which takes another round trip."""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_LOCK: Final = 0x6572_7072  # "erpr": held by the one projector that keeps the read models

_log = logger(__name__)


class CheckpointMoved(Exception):
    """Raised when another projector, or a rebuild, has moved the checkpoint."""


class AnotherProjectorActive(CheckpointMoved):
    """Raised when another projector writes the read models; this one waits until it ends."""


class Checkpoint(NamedTuple):
    """The last sequence applied, and when the log it counts in was created."""

    sequence: int
    log_created: datetime


class Store:
    """The read models of one schema, or some of its tables. One writer at a time."""

    def __init__(
        self,
        postgres_url: str,
        *,
        schema: str = SCHEMA,
        tables: Collection[Table] = TABLES,
        is_exclusive: bool = False,
    ) -> None:
        self.tables = tables
        self._is_exclusive = is_exclusive
        self._schema = schema
        self._writing = ReconnectingPostgres(postgres_url, self._prepare)
        self._reading = ReconnectingPostgres(postgres_url)

    async def open(self, log_created: datetime) -> Checkpoint:
        """Bring the schema up to date and read the checkpoint, beginning one where there is none.

        Raises PostgresUnavailable.
        """

        async def opened(connection: asyncpg.Connection) -> Checkpoint:
            with TemporaryDirectory() as directory:
                await migrate(connection, self._schema, scripts(self._schema, Path(directory)))
            await connection.execute(
                f"INSERT INTO {self._schema}.checkpoint (projection, sequence, log_created) "  # noqa: S608 - our own name
                "VALUES ($1, 0, $2) ON CONFLICT (projection) DO NOTHING",
                PROJECTION,
                log_created,
            )
            return await load_checkpoint(connection, self._schema)

        return await self._reading.attempt(opened)

    async def claim(self) -> None:
        """Become the one projector that writes. Raises AnotherProjectorActive, PostgresUnavailable.

        The lock is of the session that writes, and is gone with it, however this process ends. So
        the URL must lead to Postgres itself, or to a pooler that lends sessions: one that lends
        transactions would let the lock, and the temporary tables, go in between.
        """

        async def nothing(_connection: asyncpg.Connection) -> None:
            """Do nothing: opening the connection takes the lock."""

        await self._writing.attempt(nothing)

    async def states(self, tasks: Iterable[TaskId]) -> Mapping[TaskId, TaskState]:
        """Read the states of these tasks as the checkpoint left them; unknown ones are left out."""
        query = f"SELECT task, state::text FROM {self._schema}.task WHERE task = ANY($1::text[])"  # noqa: S608 - our own name
        rows = await self._reading.retry_until_available(
            lambda link: link.fetch(query, list(tasks))
        )
        return {TaskId(row["task"]): decode(row["state"]) for row in rows}

    async def outdated(self) -> int:
        """Count the tasks whose state an older version folded. Raises PostgresUnavailable."""
        query = (
            f"SELECT count(*) FROM {self._schema}.task "  # noqa: S608 - our own name
            "WHERE state IS NOT NULL AND state->>'budget' IS NULL"
        )
        return int(await self._reading.attempt(lambda link: link.fetchval(query)))

    async def apply(self, changes: Changes, *, before: int) -> None:
        """Write rows and move the checkpoint from `before` to where the changes end.

        All of it or nothing, and once, however often Postgres goes meanwhile. Raises
        CheckpointMoved when the checkpoint is not at `before`.
        """
        is_said = False

        async def applied(connection: asyncpg.Connection) -> None:
            nonlocal is_said
            if is_said:
                checkpoint = await load_checkpoint(connection, self._schema)
                if checkpoint.sequence == changes.after:
                    _log.info("projector.commit_confirmed", sequence=changes.after)
                    return
            is_said = True
            try:
                await self._apply(connection, changes, before)
            except (asyncpg.DataError, OverflowError) as error:
                _log.warning("projector.value_out_of_range", error=str(error))
                in_range = changes._replace(writes=[acceptable(write) for write in changes.writes])
                await self._apply(connection, in_range, before)

        await self._writing.retry_until_available(applied)

    async def close(self) -> None:
        """Close the connections."""
        await self._writing.close()
        await self._reading.close()

    async def _apply(self, connection: asyncpg.Connection, changes: Changes, before: int) -> None:
        async with connection.transaction():
            moved = await connection.fetchval(
                f"UPDATE {self._schema}.checkpoint SET sequence = $3 "  # noqa: S608 - our own name
                "WHERE projection = $1 AND sequence = $2 RETURNING 1",
                PROJECTION,
                before,
                changes.after,
            )
            if moved is None:
                raise CheckpointMoved(
                    f"the checkpoint is not at {before}: another projector is running"
                )
            if changes.erased:
                await self._erase(connection, list(changes.erased))
            few = [write for write in changes.writes if len(write.rows) <= _FEW_ROWS]
            many = [write for write in changes.writes if len(write.rows) > _FEW_ROWS]
            for table, rows in few:
                await connection.executemany(_upsert(self._schema, table), rows)
            for write in many:
                await self._copy(connection, write)
            merges = [_merge(self._schema, table) for table, _ in many if not table.grows_only]
            if merges:
                await connection.execute("; ".join(merges))

    async def _erase(self, connection: asyncpg.Connection, tasks: Sequence[TaskId]) -> None:
        """Delete all rows of these tasks, also those of a rebuild's that nobody reads now."""
        schemas = (SCHEMA, NEXT, PREVIOUS) if self._schema == SCHEMA else (self._schema,)
        for place in (f"{schema}.{table.name}" for schema in schemas for table in self.tables):
            if await connection.fetchval("SELECT to_regclass($1)", place) is not None:
                await connection.execute(
                    f"DELETE FROM {place} WHERE task = ANY($1::text[])",  # noqa: S608 - our own names
                    tasks,
                )

    async def _copy(self, connection: asyncpg.Connection, write: Write) -> None:
        """Copy the rows to the table, or beside it, to be merged from there."""
        table = write.table
        place = (
            (self._schema, table.name) if table.grows_only else ("pg_temp", _staging_table(table))
        )
        await connection.copy_records_to_table(
            place[1], schema_name=place[0], records=write.rows, columns=table.columns
        )

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        """Take the lock, and make the tables that rows are copied to before they are merged.

        They go with the link.
        """
        if self._is_exclusive and not await connection.fetchval(
            "SELECT pg_try_advisory_lock($1)", _LOCK
        ):
            raise AnotherProjectorActive("another projector keeps the read models")
        await connection.set_type_codec(
            "timestamptz",
            schema="pg_catalog",
            encoder=_microseconds,
            decoder=_moment,
            format="tuple",
        )
        for table in self.tables:
            if not table.grows_only:
                await connection.execute(
                    f"CREATE TEMP TABLE {_staging_table(table)} ON COMMIT DELETE ROWS "  # noqa: S608 - our own names
                    f"AS SELECT * FROM {self._schema}.{table.name} WITH NO DATA"
                )


async def load_checkpoint(connection: asyncpg.Connection, schema: str = SCHEMA) -> Checkpoint:
    """Read where the fold stands. Raises CheckpointMoved when there is no checkpoint any more."""
    row = await connection.fetchrow(
        f"SELECT sequence, log_created FROM {schema}.checkpoint WHERE projection = $1",  # noqa: S608 - our own name
        PROJECTION,
    )
    if row is None:
        raise CheckpointMoved("the checkpoint was removed: the read models are being rebuilt")
    return Checkpoint(row["sequence"], row["log_created"])


def scripts(schema: str, directory: Path) -> Path:
    """Write the migration scripts, which are for schema `read`, for this schema."""
    for script in (files("services.projector") / "schema").iterdir():
        text = re.sub(rf"\b{SCHEMA}\.(?=\w)", f"{schema}.", script.read_text())
        (directory / script.name).write_text(text)
    return directory


def _microseconds(moment: datetime) -> tuple[int]:
    """Encode a time as Postgres stores it. asyncpg's own encoder took half the time of a row."""
    since = (moment if moment.tzinfo else moment.astimezone(UTC)) - _EPOCH
    return (since // _MICROSECOND,)


def _moment(microseconds: tuple[int]) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds[0])


def _staging_table(table: Table) -> str:
    return f"stage_{table.name}"


def _upsert(schema: str, table: Table) -> str:
    """Return the statement that writes one row."""
    values = ", ".join(f"${number}" for number in range(1, len(table.columns) + 1))
    return _insert(schema, table, f"VALUES ({values})")


def _merge(schema: str, table: Table) -> str:
    """Return the statement that merges the rows copied to the staging table."""
    return _insert(schema, table, f"SELECT {_names(table)} FROM pg_temp.{_staging_table(table)}")  # noqa: S608 - our own names


def _names(table: Table) -> str:
    return ", ".join(f'"{column}"' for column in table.columns)


def _insert(schema: str, table: Table, rows: str) -> str:
    """Return the INSERT statement. Names come from this code, never from events."""
    start = f"INSERT INTO {schema}.{table.name} AS present ({_names(table)}) {rows}"
    if table.grows_only:
        return start
    changes = ", ".join(
        f'"{column}" = coalesce(excluded."{column}", present."{column}")'
        for column in table.columns
        if column not in table.key
    )
    key = ", ".join(f'"{column}"' for column in table.key)
    return f"{start} ON CONFLICT ({key}) DO UPDATE SET {changes}"
