"""The gateway's migrations: a new database and one that was migrated before end the same."""

from collections.abc import AsyncIterator
from importlib.resources import files

import asyncpg
import pytest

from infra.stores.postgres.migrations import migrate

SCRIPTS = files("services.gateway.stores") / "schema"

# What a database holds that was migrated before two files were numbered 0005, and before the
# limits of owners came: `accounts.reserve` was made by 0003, and preferred the limit of the call.
AS_BEFORE = """
CREATE OR REPLACE FUNCTION accounts.reserve(
    new accounts.model_call, owners text[], pers text[], mosts bigint[]
) RETURNS TABLE (purse text, spent bigint, reserved bigint, most bigint)
LANGUAGE plpgsql AS $$ BEGIN RETURN; END $$;
DELETE FROM accounts.migration WHERE name LIKE '%_default_limits.sql';
"""


@pytest.fixture
async def connection(fresh_database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(fresh_database)
    yield opened
    await opened.close()


async def reserve(connection: asyncpg.Connection) -> str:
    """Return the body of the function that every model call is reserved with."""
    (body,) = await connection.fetch(
        "SELECT prosrc FROM pg_proc WHERE oid = 'accounts.reserve'::regproc"
    )
    return str(body["prosrc"])


async def test_a_new_database_prefers_the_limit_of_an_owner(connection: asyncpg.Connection) -> None:
    await migrate(connection, "accounts", SCRIPTS)

    assert "coalesce(l.limit_microusd, w.most)" in await reserve(connection)


@pytest.mark.parametrize("recorded", ["", "0005_default_limits.sql"])
async def test_a_database_that_was_migrated_before_ends_as_a_new_one(
    connection: asyncpg.Connection, recorded: str
) -> None:
    await migrate(connection, "accounts", SCRIPTS)
    new = await reserve(connection)
    await connection.execute(AS_BEFORE)
    if recorded:
        await connection.execute("INSERT INTO accounts.migration (name) VALUES ($1)", recorded)

    assert await migrate(connection, "accounts", SCRIPTS) == ["0007_default_limits.sql"]
    assert await reserve(connection) == new
    assert await migrate(connection, "accounts", SCRIPTS) == []


async def test_a_switch_stored_before_is_a_global_one(connection: asyncpg.Connection) -> None:
    await migrate(connection, "accounts", SCRIPTS)
    await connection.execute(
        "ALTER TABLE accounts.switch DROP CONSTRAINT switch_scope_check;"
        "INSERT INTO accounts.switch VALUES ('house', '', 'a bad release', now());"
        "ALTER TABLE accounts.switch ADD CONSTRAINT switch_scope_check CHECK (scope <> '');"
        "DELETE FROM accounts.migration WHERE name = '0008_global_switch.sql'"
    )

    assert await migrate(connection, "accounts", SCRIPTS) == ["0008_global_switch.sql"]
    assert await connection.fetchval("SELECT scope FROM accounts.switch") == "global"


def test_every_function_is_written_once() -> None:
    scripts = "".join(each.read_text() for each in SCRIPTS.iterdir() if each.name.endswith(".sql"))

    assert scripts.count("FUNCTION accounts.reserve(") == 1
