"""The read models as a whole, to compare them with what they should be."""

from collections.abc import Sequence
from typing import Any

import asyncpg

TABLES = ("task", "message", "tool_call", "usage", "machine", "pull_request", "artifact")


async def read_models(url: str) -> dict[str, Sequence[Any]]:
    """Every row of schema `read` but the checkpoint, in the order of the keys."""
    connection = await asyncpg.connect(url)
    try:
        return {
            table: [
                tuple(row)
                for row in await connection.fetch(f"SELECT * FROM read.{table} ORDER BY 1, 2")
            ]
            for table in TABLES
        }
    finally:
        await connection.close()


async def checkpoint(url: str) -> int:
    """The last sequence applied; 0 when there is no schema yet."""
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT to_regclass('read.checkpoint')") is None:
            return 0
        return int(await connection.fetchval("SELECT max(sequence) FROM read.checkpoint") or 0)
    finally:
        await connection.close()
