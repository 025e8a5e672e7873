"""The walls between accounts in the database itself: what a forgotten WHERE would not give away."""

import asyncpg
import pytest

from services.gateway.database import across_accounts, create_pool, within
from tests.support.accounts_rows import fetch

WALLED = [
    "account",
    "person",
    "pairing",
    "session",
    "refresh_token",
    "api_key",
    "identity",
    "oauth_attempt",
]


@pytest.fixture
async def pool(world, ada, bob, fresh_database):
    del world
    for person in (ada, bob):
        await person.http.post("/v1/keys", json={"name": "robot"})
        await person.http.post("/v1/pairings")
    async with create_pool(fresh_database) as made:
        yield made


async def accounts_seen(connection, table):
    rows = await connection.fetch(f"SELECT DISTINCT account FROM accounts.{table}")
    return {row["account"] for row in rows}


FILLED = [table for table in WALLED if table not in ("identity", "oauth_attempt")]


async def test_a_statement_without_a_predicate_sees_one_account(pool, ada, bob):
    mine, other = ada.session["account"], bob.session["account"]
    for table in FILLED:
        async with within(pool, mine) as connection:
            assert await accounts_seen(connection, table) == {mine}, table
            hers = f"UPDATE accounts.{table} SET account = account WHERE account = $1"
            assert await connection.execute(hers, other) == "UPDATE 0"
        async with across_accounts(pool) as connection:
            assert await accounts_seen(connection, table) == {mine, other}, table
        async with within(pool, "") as connection:
            assert await accounts_seen(connection, table) == set(), table


async def test_no_row_can_be_put_into_another_account(pool, ada, bob):
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with within(pool, ada.session["account"]) as connection:
            await connection.execute(
                "INSERT INTO accounts.person (person, account, name, role, created_at) "
                "VALUES ('per_x', $1, 'x', 'owner', now())",
                bob.session["account"],
            )
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with within(pool, ada.session["account"]) as connection:
            await connection.execute(
                "UPDATE accounts.session SET account = $1", bob.session["account"]
            )


async def test_a_connection_given_back_sees_no_more_than_before(pool, ada):
    async with within(pool, ada.session["account"]) as connection:
        assert await connection.fetchval("SELECT current_user") == "errand_gateway"
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT current_user") != "errand_gateway"
        assert not await connection.fetchval("SELECT current_setting('errand.account', true)")


async def test_the_walls_hold_for_the_tables_owner_too(world, fresh_database):
    del world
    rows = await fetch(
        fresh_database,
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class "
        "WHERE relnamespace = 'accounts'::regnamespace AND relname = ANY($1)",
        WALLED,
    )
    assert {row["relname"]: (row[1], row[2]) for row in rows} == dict.fromkeys(WALLED, (True, True))
    role = await fetch(
        fresh_database,
        "SELECT rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = 'errand_gateway'",
    )
    assert [tuple(row) for row in role] == [(False, False, False)]
