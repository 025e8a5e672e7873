"""Kill switches at four levels: global, an account, a person, a task.

An active switch stops model calls, pushes and pull requests of everything below it, before
each of them; a running call ends. Only the operator sets and clears them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from services.gateway.broker.accounting.spend_limits import BillingContext
from services.gateway.problems import Refused, refused
from services.gateway.stores.database import Pool, across_accounts

Level = Literal["global", "account", "person", "task"]

_NOUNS: Final[dict[str, str]] = {
    "global": "Errand",
    "account": "This account",
    "person": "This person's work",
    "task": "This task",
}
_STANDING = """
    SELECT scope, owner, reason, thrown_at FROM accounts.switch
    WHERE (scope, owner) IN (('global', ''), ('account', $1), ('person', $2), ('task', $3))
    ORDER BY array_position(ARRAY['global', 'account', 'person', 'task'], scope) LIMIT 1
"""
_ALL = "SELECT scope, owner, reason, thrown_at FROM accounts.switch ORDER BY thrown_at, owner"
_THROW = """
    INSERT INTO accounts.switch (scope, owner, reason, thrown_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (scope, owner) DO UPDATE SET reason = excluded.reason
    RETURNING scope, owner, reason, thrown_at
"""
_CLEAR = "DELETE FROM accounts.switch WHERE scope = $1 AND owner = $2 RETURNING 1"


class KillSwitch(msgspec.Struct, frozen=True):
    """One that is thrown. `owner` is an account, person or task; empty for the global one."""

    level: Level
    owner: str
    reason: str
    thrown_at: datetime


class KillSwitchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request to set a kill switch; people whose tasks it stops see the reason."""

    level: Level
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    owner: Annotated[str, Meta(max_length=100)] = ""


class KillSwitches:
    """Every method raises Refused (503) when the database is unavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def check(self, payer: BillingContext) -> None:
        """Raise Refused (403, `switched_off`) when a switch applies to this billing context."""
        async with across_accounts(self._pool) as connection:
            row = await connection.fetchrow(_STANDING, payer.account, payer.person, payer.task)
        if row is not None:
            raise switched_off(KillSwitch(*row))

    async def all(self) -> Sequence[KillSwitch]:
        """List active switches, oldest first."""
        async with across_accounts(self._pool) as connection:
            return [KillSwitch(*row) for row in await connection.fetch(_ALL)]

    async def throw(self, wanted: KillSwitchRequest, *, now: datetime) -> KillSwitch:
        """Set a switch; an active one keeps its time and takes the new reason."""
        async with across_accounts(self._pool) as connection:
            [row] = await connection.fetch(_THROW, wanted.level, wanted.owner, wanted.reason, now)
        return KillSwitch(*row)

    async def clear(self, level: Level, owner: str) -> bool:
        """Clear a switch; False when it was not set."""
        async with across_accounts(self._pool) as connection:
            return bool(await connection.fetchval(_CLEAR, level, owner))


def switched_off(switch: KillSwitch) -> Refused:
    """Return the refusal that names the active switch and its reason."""
    return refused(
        403,
        "switched_off",
        f"{_NOUNS[switch.level]} was switched off by the operator on "
        f"{switch.thrown_at:%Y-%m-%d at %H:%M} UTC: {switch.reason}",
    )
