"""A connection to Postgres that is opened again when it breaks."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Final, TypeVar

import asyncpg

from infra.runtime.telemetry import logger
from infra.stores.postgres import errors
from infra.stores.postgres.errors import PostgresUnavailable

T = TypeVar("T")

RETRY_SECONDS: Final = 0.5
_COMMAND_SECONDS: Final = 60.0
_KEEPALIVE_SETTINGS: Final = {  # so that the lock of a projector whose host is gone is let go
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}

_log = logger(__name__)


class ReconnectingPostgres:
    """One connection at a time; `begin` prepares each new one."""

    def __init__(
        self,
        postgres_url: str,
        begin: Callable[[asyncpg.Connection], Awaitable[object]] | None = None,
    ) -> None:
        self._postgres_url = postgres_url
        self._begin = begin
        self._connection: asyncpg.Connection | None = None

    async def retry_until_available(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run `work` until it succeeds, however often Postgres is unavailable.

        Its last transaction may have been committed although it is run again.
        """
        while True:
            try:
                return await self.attempt(work)
            except PostgresUnavailable as error:
                _log.warning("postgres.unavailable", error=str(error), retry_seconds=RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)

    async def attempt(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run `work` once. Raises PostgresUnavailable."""
        try:
            with errors.postgres_errors():
                return await work(await self._open())
        except PostgresUnavailable:
            self.drop()
            raise

    def drop(self) -> None:
        """Terminate the connection, whatever it was doing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        """Close the connection cleanly, else terminate it."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                with errors.postgres_errors():
                    await connection.close(timeout=2)
            except PostgresUnavailable:
                connection.terminate()

    async def _open(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await errors.connect(
                self._postgres_url,
                command_timeout=_COMMAND_SECONDS,
                server_settings=_KEEPALIVE_SETTINGS,
            )
            with ExitStack() as unless_begun:
                unless_begun.callback(connection.terminate)
                if self._begin is not None:
                    await self._begin(connection)
                unless_begun.pop_all()
            self._connection = connection
        return self._connection
