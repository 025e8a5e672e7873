"""Limits what anybody may try: so many a minute from one place, and in all, of each kind."""

from datetime import datetime, timedelta
from typing import Final, Literal

from services.gateway.database import Connection

WRONG_FROM_ONE: Final = 10
WRONG_IN_ALL: Final = 120
Kind = Literal["code", "mail"]

_COUNTED = """
    SELECT max(count) FILTER (WHERE source = $1) AS from_one,
           max(count) FILTER (WHERE source = $2) AS in_all
    FROM accounts.wrong_guess WHERE minute = $3 AND source IN ($1, $2)
"""
_COUNT = """
    INSERT INTO accounts.wrong_guess (source, minute, count) VALUES ($1, $3, 1), ($2, $3, 1)
    ON CONFLICT (source, minute) DO UPDATE SET count = wrong_guess.count + 1
"""
_FORGET = "DELETE FROM accounts.wrong_guess WHERE minute < $1"


async def wait_seconds(
    connection: Connection, source: str, now: datetime, *, kind: Kind = "code"
) -> int:
    """Tell how long `source` must wait before it tries again; 0 means not at all."""
    [row] = await connection.fetch(_COUNTED, *_names(source, kind), _minute(now))
    if (row["from_one"] or 0) < WRONG_FROM_ONE and (row["in_all"] or 0) < WRONG_IN_ALL:
        return 0
    return 60 - now.second


async def count(connection: Connection, source: str, now: datetime, *, kind: Kind = "code") -> None:
    """Count a try (of codes: a wrong one), and forget those of past minutes."""
    await connection.execute(_COUNT, *_names(source, kind), _minute(now))
    await connection.execute(_FORGET, _minute(now) - timedelta(minutes=1))


def _names(source: str, kind: Kind) -> tuple[str, str]:
    return f"{kind} {source}", f"{kind} *"


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)
