"""The read models as a whole, to compare them with what they should be."""

import json
from collections.abc import Sequence
from typing import Any

import asyncpg

from services.projector.projections import TABLES as PROJECTED
from services.projector.projections.table import Table

TABLES = (
    "task",
    "event",
    "message",
    "tool_call",
    "usage",
    "machine",
    "pull_request",
    "artifact",
    "question",
    "approval",
    "snapshot",
)


async def read_models(url: str, schema: str = "read") -> dict[str, Sequence[Any]]:
    """Every row of a schema but the checkpoint, in the order of the keys."""
    connection = await asyncpg.connect(url)
    try:
        return {
            table: [
                tuple(row)
                for row in await connection.fetch(f"SELECT * FROM {schema}.{table} ORDER BY 1, 2")
            ]
            for table in TABLES
        }
    finally:
        await connection.close()


async def rows_by_name(url: str, schema: str = "read") -> dict[str, Sequence[dict[str, Any]]]:
    """Every row of a schema by column, in the order of the keys; JSON as values."""
    connection = await asyncpg.connect(url)
    try:
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
        )
        return {
            table.name: [
                dict(row)
                for row in await connection.fetch(
                    f"SELECT {', '.join(_quoted(table.columns))} FROM {schema}.{table.name} "
                    f"ORDER BY {', '.join(_in_bytes(table))}"
                )
            ]
            for table in PROJECTED
        }
    finally:
        await connection.close()


def _quoted(columns: Sequence[str]) -> list[str]:
    return [f'"{column}"' for column in columns]


def _in_bytes(table: Table) -> list[str]:
    """The key as Python sorts it."""
    numbers = ("sequence", "version", "attempt", "number")
    return [f'"{c}"' if c in numbers else f'"{c}" COLLATE "C"' for c in table.key]


async def checkpoint(url: str) -> int:
    """The last sequence applied; 0 when there is no schema yet."""
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT to_regclass('read.checkpoint')") is None:
            return 0
        return int(await connection.fetchval("SELECT max(sequence) FROM read.checkpoint") or 0)
    finally:
        await connection.close()
