"""The projector's rows of a task beside its state: its model replies and its machines.

Schema `read` is a fold of the log: it may be a moment behind, and absent while it is rebuilt.
"""

from datetime import datetime
from typing import Final

import msgspec

from events import History
from services.gateway.stores.database import Pool, within

_USAGE: Final = """
    SELECT version, at, model, turn, input_tokens, output_tokens, cache_creation_input_tokens,
           cache_read_input_tokens, cost_microusd
    FROM read.usage WHERE task = $1 AND account = $2 ORDER BY version
"""
_MACHINES: Final = """
    SELECT attempt, name, coalesce(machine, '') AS machine, region, requested_at, started_at,
           start_seconds, ended_at, coalesce(outcome, '') AS outcome, billed_seconds, cost_microusd
    FROM read.machine WHERE task = $1 AND account = $2 ORDER BY attempt
"""


class ModelReply(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of one reply of the model, in tokens and millionths of a US dollar."""

    version: int
    at: datetime
    model: str
    turn: int
    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    cost_microusd: int


class AttemptMachine(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt's machine, from the request for it to its bill; null is what is not known yet.

    `outcome` is empty while it runs and when it ended as it should; otherwise `refused: …` or
    `lost: …`.
    """

    attempt: int
    name: str
    machine: str
    region: str
    requested_at: datetime
    started_at: datetime | None
    start_seconds: float | None
    ended_at: datetime | None
    outcome: str
    billed_seconds: float | None
    cost_microusd: int | None


class UsageQueries:
    """Reads of schema `read`, each of one task. Every method raises Refused (503)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def usage(self, history: History) -> list[ModelReply]:
        """Return a task's model replies, oldest first."""
        async with within(self._pool, history.account) as connection:
            rows = await connection.fetch(_USAGE, history.task, history.account)
        return [msgspec.convert(dict(row), ModelReply) for row in rows]

    async def machines(self, history: History) -> list[AttemptMachine]:
        """Return the machines a task had, oldest first."""
        async with within(self._pool, history.account) as connection:
            rows = await connection.fetch(_MACHINES, history.task, history.account)
        return [msgspec.convert(dict(row), AttemptMachine) for row in rows]
