"""Limiter of sign-in attempts: a number per minute and network, for each kind of attempt.

An attempt is counted before it is checked, in its own transaction, so that a hundred at once are
not all checked before the first is counted. A successful attempt is subtracted again.

Nobody can lock everybody out. When many attempts come from many networks together, each network is
allowed fewer per minute, but never none: a person with a correct code needs one. Only codes short
enough to be guessed are limited across networks.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from services.gateway.problems import too_many
from services.gateway.stores.callers import client_network
from services.gateway.stores.database import Pool, across_accounts

Kind = Literal["code", "link", "mail"]

TRIES_PER_NETWORK: Final = 10
TRIES_PER_NETWORK_IN_A_RUSH: Final = 3
RUSH: Final = 120
_RUSHED: Final[frozenset[Kind]] = frozenset({"code", "mail"})

_COUNT = """
    INSERT INTO accounts.wrong_guess (source, minute, count) VALUES ($1, $3, 1), ($2, $3, 1)
    ON CONFLICT (source, minute) DO UPDATE SET count = wrong_guess.count + 1
    RETURNING source, count
"""
_TAKE_OFF = """
    UPDATE accounts.wrong_guess SET count = count - 1
    WHERE source = $1 AND minute = $2 AND count > 0
"""
_FORGET = """
    DELETE FROM accounts.wrong_guess WHERE (source, minute) IN (
        SELECT source, minute FROM accounts.wrong_guess WHERE minute < $1
        LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""


async def count(pool: Pool, address: str, now: datetime, *, kind: Kind) -> None:
    """Count an attempt from an address. Raises Refused: 429 when it must not be checked, 503."""
    async with across_accounts(pool) as connection:
        rows = await connection.fetch(_COUNT, *_sources(address, kind), _minute(now))
        await connection.execute(_FORGET, _minute(now) - timedelta(minutes=1))
    counts = {row["source"]: row["count"] for row in rows}
    from_one, in_all = (counts[source] for source in _sources(address, kind))
    is_rush = kind in _RUSHED and in_all > RUSH
    if from_one > (TRIES_PER_NETWORK_IN_A_RUSH if is_rush else TRIES_PER_NETWORK):
        raise too_many(
            "Too many tries from your network. Wait a moment, then try again.",
            retry_after_seconds=60 - now.second,
        )


async def take_off(pool: Pool, address: str, now: datetime, *, kind: Kind) -> None:
    """Subtract a counted attempt that succeeded. Raises Refused (503)."""
    async with across_accounts(pool) as connection:
        for source in _sources(address, kind):  # in the order in which they are counted
            await connection.execute(_TAKE_OFF, source, _minute(now))


def _sources(address: str, kind: Kind) -> tuple[str, str]:
    return f"{kind} {client_network(address)}", f"{kind} *"


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)
