"""Usage and spend limits of an account, from the broker's ledger. Money in micro-dollars."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from events import AccountId, PersonId
from services.gateway.broker.accounting.spend_limits import Per, SpendLimit
from services.gateway.stores.database import Connection, Pool, across_accounts, within

Grouping = Literal["day", "model", "task", "person", "repository"]
Limit = Annotated[int, Meta(ge=0, le=1_000_000_000_000)]

_KEYS: Final[Mapping[Grouping, str]] = {
    "day": "to_char(opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "model": "model",
    "task": "task",
    "person": "person",
    # of the projector, which may not have it yet: an empty key
    "repository": "coalesce((SELECT repository FROM read.task AS t WHERE t.task = c.task), '')",
}
_MAX_LINES: Final = 1_000
_SPENT = """
    SELECT {key} AS key, count(*) AS calls, count(*) FILTER (WHERE state = 'presumed') AS presumed,
           sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
           sum(cache_creation_input_tokens)::bigint AS cache_creation_input_tokens,
           sum(cache_read_input_tokens)::bigint AS cache_read_input_tokens,
           sum(cost_microusd)::bigint AS cost_microusd,
           coalesce(sum(cost_microusd) FILTER (WHERE is_own_key), 0)::bigint AS own_key_microusd
    FROM accounts.model_call AS c
    WHERE account = $1 AND opened_at >= $2 AND opened_at < $3 AND state IN ('settled', 'presumed')
    GROUP BY 1 ORDER BY 1 DESC LIMIT {most}
"""
_LIMITS = "SELECT owner, per, limit_microusd FROM accounts.spending_limit WHERE owner = ANY($1)"
_SPEND_LIMITS = """
    SELECT purse, spent_microusd, reserved_microusd FROM accounts.purse WHERE purse = ANY($1)
"""
_SET = """
    INSERT INTO accounts.spending_limit (owner, per, limit_microusd) VALUES ($1, $2, $3)
    ON CONFLICT (owner, per) DO UPDATE SET limit_microusd = excluded.limit_microusd
"""
_UNSET = "DELETE FROM accounts.spending_limit WHERE owner = $1 AND per = $2"


class UsageLine(msgspec.Struct, frozen=True, kw_only=True):
    """Usage of the calls of one day, model, task, person or repository.

    `presumed` of the `calls` have an unknown end and count at their maximum cost; `own_key` is
    the part paid for with the account's own key.
    """

    key: str
    calls: int
    presumed: int
    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    cost_microusd: int
    own_key_microusd: int


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spend limits per day and month (UTC), in micro-dollars; null: no limit is set."""

    day_microusd: Limit | None = None
    month_microusd: Limit | None = None


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """Amount spent of a limit, and amount reserved for running calls."""

    day_microusd: int = 0
    month_microusd: int = 0
    reserved_microusd: int = 0


class AccountUsage:
    """Every method raises Refused (503) when the database is unavailable."""

    def __init__(self, pool: Pool, *, account_day_microusd: int = 0) -> None:
        self._pool = pool
        self.account_day_microusd = account_day_microusd

    async def used(
        self, account: AccountId, by: Grouping, *, since: datetime, until: datetime
    ) -> Sequence[UsageLine]:
        """Sum an account's calls that began in [`since`, `until`); at most 1,000 lines."""
        query = _SPENT.format(key=_KEYS[by], most=_MAX_LINES)
        async with within(self._pool, account) as connection:
            rows = await connection.fetch(query, account, since, until)
        return [UsageLine(**row) for row in rows]

    async def limits(self, owners: Sequence[AccountId | PersonId]) -> Mapping[str, Limits]:
        """Return the limits of accounts and persons."""
        async with across_accounts(self._pool) as connection:
            rows = await connection.fetch(_LIMITS, list(owners))
        found: dict[str, dict[str, int]] = {owner: {} for owner in owners}
        for row in rows:
            found[row["owner"]][f"{row['per']}_microusd"] = row["limit_microusd"]
        return {owner: Limits(**each) for owner, each in found.items()}

    async def set_limits(self, limits_by_owner: Mapping[str, Limits]) -> None:
        """Set the limits of accounts and persons, all or none."""
        async with across_accounts(self._pool) as connection:
            for owner, limits in limits_by_owner.items():
                await _set(connection, owner, "day", limits.day_microusd)
                await _set(connection, owner, "month", limits.month_microusd)

    async def spent(self, spend_limits: Sequence[SpendLimit]) -> Mapping[str, Spend]:
        """Return what is spent and reserved of daily and monthly limits, by owner."""
        async with across_accounts(self._pool) as connection:
            rows = await connection.fetch(
                _SPEND_LIMITS, [spend_limit.name for spend_limit in spend_limits]
            )
        stand = {row["purse"]: row for row in rows}
        found: dict[str, dict[str, int]] = {spend_limit.owner: {} for spend_limit in spend_limits}
        for spend_limit in spend_limits:
            if spend_limit.name in stand:
                row = stand[spend_limit.name]
                found[spend_limit.owner][f"{spend_limit.per}_microusd"] = row["spent_microusd"]
                if spend_limit.per == "month":
                    found[spend_limit.owner]["reserved_microusd"] = row["reserved_microusd"]
        return {owner: Spend(**each) for owner, each in found.items()}


async def _set(connection: Connection, owner: str, per: Per, limit: int | None) -> None:
    if limit is None:
        await connection.execute(_UNSET, owner, per)
    else:
        await connection.execute(_SET, owner, per, limit)
