"""The walls between accounts in the database itself: what a forgotten WHERE would not give away."""

import asyncpg
import pytest

from services.gateway.stores.database import across_accounts, connected, create_pool, within
from tests.kit.probe.accounts_rows import fetch

WALLED = [
    "account",
    "person",
    "pairing",
    "session",
    "refresh_token",
    "api_key",
    "identity",
    "oauth_attempt",
    "app_sign_in",
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


FILLED = [table for table in WALLED if table not in ("identity", "oauth_attempt", "app_sign_in")]


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
        assert await connection.fetchval("SELECT current_user") == "errand_gateway"
        assert await connection.fetchval("SELECT count(*) FROM accounts.person") == 0
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


# Every table of `accounts` and `read` without row-level security, and why.
WITHOUT_WALLS = {
    "accounts.migration": "which files were applied",
    "accounts.gateway": "processes of the broker",
    "accounts.secrets_public_key": "one public key, of nobody",
    "accounts.spent_ticket": "ids of used tickets, of nobody",
    "accounts.wrong_guess": "counts by address",
    "accounts.push_position": "one place in the log",
    "read.migration": "which files were applied",
    "read.checkpoint": "one place in the log",
}
# Tables whose owner is not held to their policies, and why.
OWNER_EXEMPT = "read.", "Postgres copies no rows into a table whose owner is held to its policies"


@pytest.fixture
async def both_schemas(world, read_model, fresh_database):
    del world, read_model
    connection = await asyncpg.connect(fresh_database)
    yield connection
    await connection.close()


async def test_every_table_of_people_has_its_walls_or_a_reason(both_schemas):
    tables = await both_schemas.fetch(
        """
        SELECT c.oid::regclass::text AS name, c.relrowsecurity AS is_walled,
               c.relforcerowsecurity AS is_forced,
               EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS has_policy
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('accounts', 'read')
        """
    )
    bare = {row["name"] for row in tables if not (row["is_walled"] and row["has_policy"])}
    assert bare == set(WITHOUT_WALLS)
    unforced = {row["name"] for row in tables if row["is_walled"] and not row["is_forced"]}
    assert all(name.startswith(OWNER_EXEMPT[0]) for name in unforced)
    assert len(tables) > 30


async def test_another_account_sees_no_row_of_any_table(fresh_database, both_schemas):
    """Ada has a row in every table that has walls; somebody who has nothing sees none of them."""
    columns = await both_schemas.fetch(
        """
        SELECT c.oid::regclass::text AS name, c.relrowsecurity AS is_walled FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname IN ('accounts', 'read')
        """
    )
    walled = [row["name"] for row in columns if row["is_walled"]]
    await both_schemas.execute(FILL)
    filled = [name for name in walled if await both_schemas.fetchval(f"SELECT 1 FROM {name}")]
    assert set(filled) == set(walled)
    async with create_pool(fresh_database) as pool:
        for name in walled:
            for account, sees in (("acc_ada", 1), ("acc_nobody", 0), ("", 0), ("*", 1)):
                async with within(pool, account) as connection:
                    seen = await connection.fetchval(f"SELECT count(*) FROM {name}")
                assert seen == sees, (name, account, seen)
        async with connected(pool) as connection:  # a query that names no account at all
            for name in walled:
                assert await connection.fetchval(f"SELECT count(*) FROM {name}") == 0, name


FILL = """
    INSERT INTO accounts.account VALUES ('acc_ada', 'ada', now());
    INSERT INTO accounts.person (person, account, name, role, created_at)
        VALUES ('per_ada', 'acc_ada', 'ada', 'owner', now());
    INSERT INTO accounts.pairing (code, account, person, created_at, expires_at)
        VALUES ('c', 'acc_ada', 'per_ada', now(), now());
    INSERT INTO accounts.session (session, account, person, device, platform, created_at, seen_at)
        VALUES ('ses', 'acc_ada', 'per_ada', 'd', 'p', now(), now());
    INSERT INTO accounts.refresh_token (token, account, session, issued_at, expires_at)
        VALUES ('t', 'acc_ada', 'ses', now(), now());
    INSERT INTO accounts.api_key (key, token, account, person, name, scopes, last_four, created_at)
        VALUES ('k', 't', 'acc_ada', 'per_ada', 'n', '{read}', 'last', now());
    INSERT INTO accounts.identity (provider, subject, account, person, login, token, linked_at)
        VALUES ('github', '1', 'acc_ada', 'per_ada', 'ada', 't', now());
    INSERT INTO accounts.app_sign_in (secret, code, account, person, expires_at)
        VALUES ('s', 'c', 'acc_ada', 'per_ada', now());
    INSERT INTO accounts.oauth_attempt
        (state, browser, provider, verifier, account, person, expires_at)
        VALUES ('s', 'b', 'github', 'v', 'acc_ada', 'per_ada', now());
    INSERT INTO accounts.claim VALUES ('task_ada', 1, 'acc_ada', 'm', now());
    INSERT INTO accounts.broker_token VALUES ('t', 'acc_ada', 'task_ada', 1, now());
    INSERT INTO accounts.purse (purse) VALUES ('task:task_ada');
    INSERT INTO accounts.spending_limit (owner, per, limit_microusd) VALUES ('per_ada', 'day', 1);
    INSERT INTO accounts.model_call (call, gateway, account, person, task, attempt, model,
        is_own_key, purses, most_microusd, most_output, opened_at)
        VALUES ('c', 'g', 'acc_ada', 'per_ada', 'task_ada', 1, 'm', true, '{}', 1, 1, now());
    INSERT INTO accounts.switch VALUES ('task', 'task_ada', 'why', now());
    INSERT INTO accounts.secret VALUES
        ('sec', 'acc_ada', 'anthropic', '', 1, 'last', 's', 'w', 'k', now());
    INSERT INTO accounts.device (device, account, person, session, kind, name, created_at, seen_at)
        VALUES ('dev', 'acc_ada', 'per_ada', 'ses', 'web', 'n', now(), now());
    INSERT INTO accounts.push (push, device, version, class, about, title, created_at, due_at,
        expires_at) VALUES ('00000000-0000-0000-0000-000000000001', 'dev', 1, 'test', 'a', 't',
        now(), now(), now());
    INSERT INTO accounts.push_attempt (push, number, begun_at)
        VALUES ('00000000-0000-0000-0000-000000000001', 1, now());
    INSERT INTO accounts.seen VALUES ('acc_ada', 'per_ada', 'task_ada', 1, now());
    INSERT INTO accounts.template VALUES
        ('acc_ada', 'per_ada', 'tpl', 'reply', '{}', now(), now());
    INSERT INTO accounts.share (share, account, task, person, digest, parts, created_at)
        VALUES ('shr', 'acc_ada', 'task_ada', 'per_ada', 'd', '{}', now());
    INSERT INTO accounts.environment VALUES ('acc_ada', 'https://x/a/b', '{}', '{}');
    INSERT INTO accounts.environment_pack VALUES
        ('acc_ada', 'https://x/a/b', 'k', 'p', '[]', 1, 'task_ada', now(), now());
    INSERT INTO accounts.blob_usage VALUES ('task_ada', 'acc_ada', 1, 1);
    INSERT INTO read.task (task, account) VALUES ('task_ada', 'acc_ada');
    INSERT INTO read.message (task, version) VALUES ('task_ada', 1);
    INSERT INTO read.tool_call (task, call) VALUES ('task_ada', 'c');
    INSERT INTO read.usage (task, version, account) VALUES ('task_ada', 1, 'acc_ada');
    INSERT INTO read.machine (task, attempt, account) VALUES ('task_ada', 1, 'acc_ada');
    INSERT INTO read.pull_request (task, number, account) VALUES ('task_ada', 1, 'acc_ada');
    INSERT INTO read.artifact (task, name, account) VALUES ('task_ada', 'n', 'acc_ada');
    INSERT INTO read.event (sequence, task) VALUES (1, 'task_ada');
    INSERT INTO read.question (task, request, account) VALUES ('task_ada', 'r', 'acc_ada');
    INSERT INTO read.snapshot (task, version) VALUES ('task_ada', 1);
    INSERT INTO read.approval (task, request, account) VALUES ('task_ada', 'r', 'acc_ada');
"""
