"""Brings a Postgres schema up to date: numbered SQL files, each applied once, in one transaction.

Forward only, as this house needs it: schema `read` can always be rebuilt from the log, and what
schema `accounts` needs is written as the next file. The files are `0001_name.sql`, `0002_…`.
"""

import re
from importlib.resources.abc import Traversable

import asyncpg

_NAME = re.compile(r"\d{4}_\w+\.sql$")
_LOCK = 0x6572_7261  # "erra", one lock for all schemas: migrations are rare and short


async def migrate(connection: asyncpg.Connection, schema: str, files: Traversable) -> list[str]:
    """Apply the files of a directory that `schema` has not seen, by name; return their names.

    Several processes may call this at once: one works, the others wait and find nothing to do.
    All of it happens in one transaction, so a failing file leaves the schema as it was. Raises
    `asyncpg.PostgresError` from the failing statement.
    """
    scripts = {file.name: file.read_text() for file in files.iterdir() if _NAME.match(file.name)}
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {schema}.migration "
            "(name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch(f"SELECT name FROM {schema}.migration")  # noqa: S608 - ours
        missing = sorted(scripts.keys() - {row["name"] for row in rows})
        for name in missing:
            await connection.execute(scripts[name])
            await connection.execute(
                f"INSERT INTO {schema}.migration (name) VALUES ($1)",  # noqa: S608 - our own name
                name,
            )
    return missing
