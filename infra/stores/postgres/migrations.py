"""Brings a Postgres schema up to date: numbered SQL files, each applied once, in one transaction.

Forward only: schema `read` can always be rebuilt from the log, and what schema `accounts` needs is
written as the next file. The files are `0001_name.sql`, `0002_…`, each number once: two of one
number would have no order of their own. A database records the names of the files it has seen, so
a file that is renamed is applied again.
"""

import re
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from itertools import pairwise

import asyncpg

_NUMBER_DIGITS = 4
_NAME = re.compile(rf"\d{{{_NUMBER_DIGITS}}}_\w+\.sql$")
_LOCK = 0x6572_7261  # "erra", one lock for all schemas: migrations are rare and short


async def migrate(connection: asyncpg.Connection, schema: str, files: Traversable) -> list[str]:
    """Apply the files of a directory that `schema` has not seen, by name; return their names.

    Several processes may call this at once: one works, the others wait and find nothing to do.
    All of it happens in one transaction, so a failing file leaves the schema as it was. Raises
    `asyncpg.PostgresError` from the failing statement, ValueError for two files of one number.
    """
    scripts = {file.name: file.read_text() for file in files.iterdir() if _NAME.match(file.name)}
    _require_one_file_per_number(sorted(scripts))
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


def _require_one_file_per_number(names: Sequence[str]) -> None:
    for first, second in pairwise(names):
        if first[:_NUMBER_DIGITS] == second[:_NUMBER_DIGITS]:
            raise ValueError(
                f"Two migrations have one number: {first} and {second}. Give the newer one the "
                "next free number."
            )
