"""The projector's rows of a task beside its state: its model replies and its machines.

Schema `read` is a fold of the log: it may be a moment behind, and absent while it is rebuilt.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from events import AccountId, History
from services.gateway.stores.database import Pool, within

MachineGrouping = Literal["day", "task", "repository"]

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
_MACHINE_KEYS: Final[Mapping[MachineGrouping, str]] = {
    "day": "to_char(m.requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "task": "m.task",
    "repository": "coalesce((SELECT repository FROM read.task AS t WHERE t.task = m.task), '')",
}
_ALL_MACHINES: Final = """
    SELECT {key} AS key, count(*) AS machines, count(*) FILTER (WHERE m.started_at IS NOT NULL
               AND m.ended_at IS NULL) AS running,
           coalesce(sum(m.billed_seconds), 0)::float AS billed_seconds,
           coalesce(sum(m.cost_microusd), 0)::bigint AS cost_microusd
    FROM read.machine AS m
    WHERE m.account = $1 AND m.requested_at >= $2 AND m.requested_at < $3
    GROUP BY 1 ORDER BY 1 DESC LIMIT 1000
"""


class MachineUsageLine(msgspec.Struct, frozen=True, kw_only=True):
    """Machines of one day, task or repository. `running` of them have no bill yet."""

    key: str
    machines: int
    running: int
    billed_seconds: float
    cost_microusd: int


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
    """Reads of schema `read`. Every method raises Refused (503)."""

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

    async def all_machines(
        self, account: AccountId, by: MachineGrouping, *, since: datetime, until: datetime
    ) -> list[MachineUsageLine]:
        """Sum an account's machines asked for in [`since`, `until`); at most 1,000 lines."""
        query = _ALL_MACHINES.format(key=_MACHINE_KEYS[by])
        async with within(self._pool, account) as connection:
            rows = await connection.fetch(query, account, since, until)
        return [msgspec.convert(dict(row), MachineUsageLine) for row in rows]
