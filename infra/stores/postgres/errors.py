"""The errors of asyncpg that mean: Postgres is unavailable, and may be there again later.

The one classification, for every service that uses Postgres. Any other error is a mistake of ours
or of our caller's, and is raised as it is.
"""

import errno
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import asyncpg
from prometheus_client import Gauge

_STATES: Final = (
    "08",  # the connection is lost
    "28",  # it does not let us in, as while it is restored or a password is rotated
    "3D",  # the database is not there
    "40",  # it gave the transaction up: a deadlock, a conflict
    "53",  # out of connections, disk or memory
    "57",  # it starts, stops, or ended our connection or statement
    "58",  # its files or its system failed
)
_SINGLE_STATES: Final = frozenset({
    "25006",  # it is read-only: a standby, or a disk that is nearly full
    "25P03",  # our transaction was idle for too long
    "55P03",  # a lock is held by somebody else
})  # fmt: skip
_WRITES_REFUSED: Final = frozenset({"53100", "25006", "58030"})  # disk full, read-only, I/O error
_LOST: Final = re.compile(
    r"closed|closing|released|terminated|lost|another operation|aborted|unexpected", re.IGNORECASE
)
_NETWORK: Final = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)

available: Final = Gauge(
    "errand_postgres_available", "Whether the last use of Postgres found it available: 1 or 0."
)


class PostgresUnavailable(Exception):
    """Postgres cannot do it now. The text says what it, or the way to it, said."""


class RefusedWrites:
    """Remembers that Postgres could not store: on a full disk it still answers what only reads."""

    def __init__(self) -> None:
        self._at_seconds = float("-inf")
        self._reason = ""

    def note(self, error: BaseException) -> None:
        """Remember an error, if it is of this kind."""
        if getattr(error, "sqlstate", None) in _WRITES_REFUSED:
            self._at_seconds, self._reason = time.monotonic(), type(error).__name__

    def within(self, seconds: float) -> str:
        """Return why nothing could be stored within these last seconds; empty if nothing failed."""
        return self._reason if time.monotonic() - self._at_seconds < seconds else ""


refused_writes: Final = RefusedWrites()


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Turn the errors inside that mean an unavailable Postgres into PostgresUnavailable."""
    try:
        yield
    except PostgresUnavailable:
        available.set(0)
        raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if not is_unavailable(error):
            raise
        available.set(0)
        refused_writes.note(error)
        raise PostgresUnavailable(f"{type(error).__name__}: {error}") from error
    except asyncpg.InternalClientError as error:
        available.set(0)  # a connection ended in the middle of a transaction (asyncpg#784)
        raise PostgresUnavailable(f"{type(error).__name__}: {error}") from error
    available.set(1)


async def connect(*arguments: Any, **options: Any) -> asyncpg.Connection:  # noqa: ANN401 - asyncpg's own
    """Connect as `asyncpg.connect` does. Raises PostgresUnavailable for all that is in the way.

    Here any OSError is the connection's: a missing socket, a name that does not resolve, TLS.
    """
    try:
        with postgres_errors():
            return await asyncpg.connect(*arguments, **options)
    except OSError as error:
        available.set(0)
        raise PostgresUnavailable(f"{type(error).__name__}: {error}") from error


def is_unavailable(error: BaseException) -> bool:
    """Return whether an error means that Postgres is unavailable for now."""
    match error:
        case asyncpg.PostgresError():
            state = error.sqlstate or ""
            return state.startswith(_STATES) or state in _SINGLE_STATES
        case PostgresUnavailable() | asyncpg.InternalClientError():
            return True
        case asyncpg.InterfaceError():
            return _LOST.search(str(error)) is not None
        case ConnectionError() | TimeoutError():
            return True
        case OSError():
            return error.errno in _NETWORK
        case _:
            return False
