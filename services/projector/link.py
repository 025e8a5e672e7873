"""A connection to Postgres that is made anew when it breaks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

from infra.telemetry import logger

T = TypeVar("T")

LOST: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it stops, starts, or ends our connection
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection ended in the middle of a transaction (asyncpg#784)
)
"""What is raised when Postgres, or the way to it, is gone for a while."""

RETRY_SECONDS: Final = 0.5
_COMMAND_SECONDS: Final = 60.0

_log = logger(__name__)


class Link:
    """One connection at a time; `begin` prepares each new one."""

    def __init__(
        self,
        postgres_url: str,
        begin: Callable[[asyncpg.Connection], Awaitable[object]] | None = None,
    ) -> None:
        self._postgres_url = postgres_url
        self._begin = begin
        self._connection: asyncpg.Connection | None = None

    async def persist(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Carry `work` out, again and again until Postgres is there from its start to its end.

        Its last transaction may have been committed although it is said again.
        """
        while True:
            try:
                return await self.attempt(work)
            except LOST as error:
                _log.warning("postgres is away, trying again", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def attempt(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Carry `work` out once. Raises one of LOST when Postgres is not there."""
        try:
            return await work(await self._open())
        except LOST:
            self.drop()
            raise

    def drop(self) -> None:
        """Let go of the connection, whatever it was about."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        """Close in order, or at least close."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=2)
            except (*LOST, TimeoutError):
                connection.terminate()

    async def _open(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._postgres_url, command_timeout=_COMMAND_SECONDS
            )
            if self._begin is not None:
                await self._begin(self._connection)
        return self._connection
