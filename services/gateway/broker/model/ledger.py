"""The ledger of model calls, in Postgres: reserve before, settle after, release what cost nothing.

Each of the three is one statement. A call that was reserved ends in exactly one of these states:
settled (the provider's own count was seen to the end), released (the provider refused it), presumed
(its end was not seen; it stands at the most it can have cost until more is known).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import asyncpg

from events import Usage
from services.gateway.broker.model.reconciliation import LOOK_BACK, RecordedCall
from services.gateway.broker.model.spend_limits import (
    BillingContext,
    LimitExceeded,
    Per,
    resets_at,
    scope_of,
    spend_limits_of,
)
from services.gateway.broker.model.token_usage import CostEstimate, TokenUsage
from services.gateway.stores.database import Pool, across_accounts

CALL_SECONDS: Final = 900.0
"""How long a call may take; one that is open for longer has lost its end."""
SILENCE_SECONDS: Final = 60.0
"""After so much silence a gateway is taken for dead, and what it had open for lost."""

State = Literal["settled", "presumed", "released"]

_RESERVE = """
    SELECT * FROM accounts.reserve(
        ROW($1, $2, $3, $4, $5, $6, $7, $8, $9::text[], 'open', $10, $11,
            0, '', 0, 0, 0, 0, 0, $12, NULL)::accounts.model_call,
        $13::text[], $14::text[], $15::bigint[])
"""
_BEGIN = "SELECT accounts.begin_call($1, $2, $3::bigint[], $4)"
_CLOSE = "SELECT accounts.close_call($1, $2, $3, $4::bigint[], $5, $6)"
_SEEN = """
    INSERT INTO accounts.gateway VALUES ($1, $2)
    ON CONFLICT (gateway) DO UPDATE SET seen_at = excluded.seen_at
"""
_FORGET = """
    DELETE FROM accounts.gateway g WHERE seen_at < $1 AND NOT EXISTS
        (SELECT FROM accounts.model_call c WHERE c.gateway = g.gateway AND c.state = 'open')
"""
_STALE = """
    SELECT call, most_microusd, input_tokens, output_tokens, cache_creation_input_tokens,
           cache_read_input_tokens, hourly_tokens
    FROM accounts.model_call c LEFT JOIN accounts.gateway g USING (gateway)
    WHERE c.state = 'open' AND (g.seen_at IS NULL OR g.seen_at < $1 OR c.opened_at < $2)
"""
_MADE = """
    SELECT call, model, state, input_tokens, output_tokens, cache_creation_input_tokens,
           cache_read_input_tokens, hourly_tokens, cost_microusd, opened_at, closed_at
    FROM accounts.model_call
    WHERE opened_at > $1 AND NOT is_own_key AND state <> 'released'
          AND EXISTS (SELECT FROM accounts.model_call WHERE state = 'presumed' AND opened_at > $1)
"""


class Ledger:
    """Every method raises Refused (503) when the database does not answer."""

    def __init__(self, pool: Pool, *, gateway: str, account_day_microusd: int = 0) -> None:
        self._pool = pool
        self._account_day_microusd = account_day_microusd
        self._gateway = gateway

    async def reserve(
        self,
        call: str,
        payer: BillingContext,
        *,
        estimate: CostEstimate,
        is_own_key: bool,
        now: datetime,
    ) -> LimitExceeded | None:
        """Set aside what a call may cost, on every purse it draws on; or say which is too small."""
        purses = spend_limits_of(payer, now, self._account_day_microusd)
        async with across_accounts(self._pool) as connection:
            row = await connection.fetchrow(
                _RESERVE,
                call,
                self._gateway,
                payer.account,
                payer.person,
                payer.task,
                payer.attempt,
                estimate.model,
                is_own_key,
                [purse.name for purse in purses],
                estimate.most_microusd,
                estimate.most_output_tokens,
                now,
                [purse.owner for purse in purses],
                [purse.per for purse in purses],
                [purse.most_microusd for purse in purses],
            )
        if row is None:
            return None
        per: Per = next(purse.per for purse in purses if purse.name == row["purse"])
        return LimitExceeded(
            scope=scope_of(row["purse"]),
            per=per,
            spent_microusd=row["spent"],
            reserved_microusd=row["reserved"],
            limit_microusd=row["most"],
            needed_microusd=estimate.most_microusd,
            resets_at=resets_at(per, now),
        )

    async def begin(
        self, call: str, estimate: CostEstimate, count: TokenUsage, *, request: str
    ) -> None:
        """Take note of what is known once an answer begins."""
        async with across_accounts(self._pool) as connection:
            await connection.execute(_BEGIN, call, estimate.most_microusd, count.columns(), request)

    async def close(
        self, call: str, state: State, count: TokenUsage, *, cost: int, request: str, now: datetime
    ) -> bool:
        """Put what a call cost in place of what was reserved; False when it was closed before.

        One that was presumed may be closed once more.
        """
        async with across_accounts(self._pool) as connection:
            closed = await connection.fetchval(
                _CLOSE, call, state, cost, count.columns(), request, now
            )
        return bool(closed)

    async def sweep(self, now: datetime) -> Sequence[str]:
        """Say that this gateway lives, and presume what dead ones left open; name those calls."""
        silent = now - timedelta(seconds=SILENCE_SECONDS)
        late = now - timedelta(seconds=CALL_SECONDS + SILENCE_SECONDS)
        async with across_accounts(self._pool) as connection:
            await connection.execute(_SEEN, self._gateway, now)
            stale = await connection.fetch(_STALE, silent, late)
            await connection.execute(_FORGET, silent)
        swept = []
        for row in stale:
            count, cost = _count_in(row), row["most_microusd"]
            if await self.close(row["call"], "presumed", count, cost=cost, request="", now=now):
                swept.append(row["call"])
        return swept

    async def made(self, now: datetime) -> Sequence[RecordedCall]:
        """Tell the last day's calls on the house's key, if there are presumed ones among them."""
        async with across_accounts(self._pool) as connection:
            rows = await connection.fetch(_MADE, now - LOOK_BACK)
        return [
            RecordedCall(
                call=row["call"],
                model=row["model"],
                is_presumed=row["state"] == "presumed",
                count=_count_in(row),
                cost_microusd=row["cost_microusd"],
                opened_at=row["opened_at"],
                closed_at=row["closed_at"],
            )
            for row in rows
        ]


def _count_in(row: asyncpg.Record) -> TokenUsage:
    """Read a call's tokens from its row."""
    names = Usage.__struct_fields__
    return TokenUsage(Usage(**{name: row[name] for name in names}), row["hourly_tokens"])
