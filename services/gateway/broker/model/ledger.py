"""Ledger of model calls in Postgres: reserve before, settle after, release what cost nothing.

Each of the three is one statement. A call that was reserved ends in exactly one of these states:
settled (the provider's own count was seen to the end), released (the provider refused it), presumed
(its end was not seen; it counts at its maximum cost until more is known).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import asyncpg

from events import Usage
from services.gateway.broker.accounting.reconciliation import LOOK_BACK, RecordedCall
from services.gateway.broker.accounting.spend_limits import (
    BillingContext,
    LimitExceeded,
    Per,
    resets_at,
    scope_of,
    spend_limits_of,
)
from services.gateway.broker.accounting.token_usage import CostEstimate, TokenUsage
from services.gateway.stores.database import Pool, across_accounts

CALL_SECONDS: Final = 900.0
"""The longest a call may take; one that is open for longer has lost its end."""
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
    """Every method raises Refused (503) when the database is unavailable."""

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
        """Reserve a call's maximum cost in every spend limit; or return the exceeded one."""
        spend_limits = spend_limits_of(payer, now, self._account_day_microusd)
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
                [spend_limit.name for spend_limit in spend_limits],
                estimate.max_microusd,
                estimate.most_output_tokens,
                now,
                [spend_limit.owner for spend_limit in spend_limits],
                [spend_limit.per for spend_limit in spend_limits],
                [spend_limit.max_microusd for spend_limit in spend_limits],
            )
        if row is None:
            return None
        per: Per = next(
            spend_limit.per for spend_limit in spend_limits if spend_limit.name == row["purse"]
        )
        return LimitExceeded(
            scope=scope_of(row["purse"]),
            per=per,
            spent_microusd=row["spent"],
            reserved_microusd=row["reserved"],
            limit_microusd=row["most"],
            needed_microusd=estimate.max_microusd,
            resets_at=resets_at(per, now),
        )

    async def begin(
        self, call: str, estimate: CostEstimate, count: TokenUsage, *, request: str
    ) -> None:
        """Record what is known once a response begins."""
        async with across_accounts(self._pool) as connection:
            await connection.execute(_BEGIN, call, estimate.max_microusd, count.columns(), request)

    async def close(
        self, call: str, state: State, count: TokenUsage, *, cost: int, request: str, now: datetime
    ) -> bool:
        """Replace a call's reservation by its cost; False when it was closed before.

        A presumed call may be closed once more.
        """
        async with across_accounts(self._pool) as connection:
            closed = await connection.fetchval(
                _CLOSE, call, state, cost, count.columns(), request, now
            )
        return bool(closed)

    async def sweep(self, now: datetime) -> Sequence[str]:
        """Record this process's heartbeat; close calls of dead processes, and return them."""
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
        """Return the last day's calls with the installation's key, if any of them is presumed."""
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
    """Return a call's tokens from its row."""
    names = Usage.__struct_fields__
    return TokenUsage(Usage(**{name: row[name] for name in names}), row["hourly_tokens"])
