"""The gateway's Postgres: a pool of connections, and what is said when it does not answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Final

import asyncpg

from infra.runtime.telemetry import logger
from infra.stores.postgres import errors
from infra.stores.postgres.errors import PostgresUnavailable
from infra.stores.postgres.migrations import migrate
from services.gateway.problems import refused, unavailable
from services.gateway.stores.server_report import OK, Report, ignore_report

Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy

_log = logger(__name__)

_ROLE: Final = "errand_gateway"
_ANY_ACCOUNT: Final = "*"
_BEGIN: Final = """
    BEGIN;
    SELECT set_config('role', '{role}', true), set_config('errand.account', '{account}', true)
"""
_ACQUIRE_SECONDS: Final = 5.0
_QUERY_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 1.0


async def prepare_schema(postgres_url: str, report: Report = ignore_report) -> None:
    """Bring schema `accounts` up to date, once Postgres is there for it."""
    said = ""
    while True:
        try:
            with errors.postgres_errors():
                connection = await errors.connect(postgres_url)
                try:
                    await migrate(connection, "accounts", files("services.gateway.stores.schema"))
                finally:
                    await connection.close()
        except PostgresUnavailable as reason:
            report("postgres", "The database does not answer at the moment.")
            if str(reason) != said:
                said = str(reason)
                _log.warning("postgres.waiting", reason=said)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            report("postgres", OK)
            return


def create_pool(url: str) -> Pool:
    """Make a pool, to be entered. No statements are cached: poolers and rebuilt schemas allowed."""
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=10,
        statement_cache_size=0,
        command_timeout=_QUERY_SECONDS,
        connect=errors.connect,
        init=_take_role,
        reset=_leave_as_it_is,
    )


async def _take_role(connection: asyncpg.Connection) -> None:
    """Let no query run with the rights of the owner, also one that names no account: it sees none.

    Through a pooler that gives each transaction another connection this is no more than a help;
    `within` takes the role itself.
    """
    await connection.execute(f"SET ROLE {_ROLE}")


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """Do nothing: what transactions set, they set for themselves, and asyncpg ends open ones."""


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection. Raises Refused: 503 when Postgres is unavailable, 422 for a NUL.

    No text of Postgres holds a NUL. Schema `read` is the projector's and may be dropped at any
    moment: a table that is not there counts as unavailable too.
    """
    try:
        with errors.postgres_errors():
            async with pool.acquire(timeout=_ACQUIRE_SECONDS) as connection:
                yield connection
    except (PostgresUnavailable, asyncpg.UndefinedTableError) as error:
        _log.warning("postgres.unavailable", error=str(error))
        raise unavailable("The database does not answer at the moment.") from None
    except asyncpg.CharacterNotInRepertoireError:
        raise refused(422, "text_refused", "A text holds the character NUL; remove it.") from None


@asynccontextmanager
async def within(pool: Pool, account: str) -> AsyncIterator[Connection]:
    """Lend a connection in a transaction that sees one account's rows.

    Row-level security holds there, whatever role the pool came with. Raises Refused (503).
    """
    async with connected(pool) as connection:
        try:
            # One message instead of three: a transaction is most of what a query costs.
            quoted = account.replace("'", "''").replace("\0", "")
            await connection.execute(_BEGIN.format(role=_ROLE, account=quoted))
            yield connection
        except BaseException:
            with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
                await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")


@asynccontextmanager
async def across_accounts(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection in a transaction that sees every account's rows.

    For looking up by what only its holder knows (a code, a key) when the account is not known
    yet. Raises Refused (503).
    """
    async with within(pool, _ANY_ACCOUNT) as connection:
        yield connection
