"""The spending in the broker's ledger, and in the rehearsal model's bills."""

from typing import Any

import asyncpg

from events import Usage

TOKENS = Usage.__struct_fields__


async def rows(database: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


async def calls(database: str) -> list[asyncpg.Record]:
    """Every call that was reserved, oldest first."""
    query = "SELECT * FROM accounts.model_call ORDER BY opened_at"
    return await rows(database, query)


async def spend_limits(database: str) -> dict[str, tuple[int, int]]:
    """Return the amounts spent and reserved, by the name of the spend limit."""
    return {row[0]: (row[1], row[2]) for row in await rows(database, "TABLE accounts.purse")}


async def tokens(database: str) -> dict[str, int]:
    """The tokens of all calls that were closed, as the broker's ledger has them."""
    kept = [c for c in await calls(database) if c["state"] in ("settled", "presumed")]
    return {name: sum(call[name] for call in kept) for name in TOKENS}


def billed(report: dict[str, Any]) -> dict[str, int]:
    """The tokens of all answers, whole or broken off, as the model's own ledger has them."""
    return {name: report["completed"][name] + report["interrupted"][name] for name in TOKENS}
