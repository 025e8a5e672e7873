"""A hand on schema `accounts`: what time alone would bring about, and what stands there."""

from typing import Any

import asyncpg


async def execute(database: str, statement: str, *arguments: Any) -> str:
    """Run one statement as the database's owner."""
    connection = await asyncpg.connect(database)
    try:
        status: str = await connection.execute(statement, *arguments)
    finally:
        await connection.close()
    return status


async def fetch(database: str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """Read rows as the database's owner."""
    connection = await asyncpg.connect(database)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
    finally:
        await connection.close()
    return rows


async def dump(database: str) -> str:
    """Everything that stands in schema `accounts`, as text."""
    tables = await fetch(
        database, "SELECT tablename FROM pg_tables WHERE schemaname = 'accounts' ORDER BY 1"
    )
    rows = [await fetch(database, f'SELECT * FROM accounts."{table[0]}"') for table in tables]
    return "\n".join(str(tuple(row)) for found in rows for row in found)
