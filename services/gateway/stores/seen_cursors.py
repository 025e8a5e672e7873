"""Cursors of a person in Postgres: the last version seen of each task. None ever goes back."""

from collections.abc import Mapping
from typing import Final

from events import AccountId, PersonId
from events.protocol.frames import MAX_SEEN_CURSORS
from infra.runtime.clock import Clock
from services.gateway.stores.database import Pool, within

_READ: Final = """
    SELECT task, version FROM accounts.seen WHERE account = $1 AND person = $2
    ORDER BY seen_at DESC, task LIMIT $3
"""
_ADVANCE: Final = """
    INSERT INTO accounts.seen AS known (account, person, task, version, seen_at)
    SELECT $1, $2, task, version, $5 FROM unnest($3::text[], $4::bigint[]) AS said (task, version)
    ON CONFLICT (person, task) DO UPDATE SET version = excluded.version, seen_at = excluded.seen_at
    WHERE known.version < excluded.version
    RETURNING task, version
"""
_TRIM: Final = """
    DELETE FROM accounts.seen WHERE person = $1 AND task IN (
        SELECT task FROM accounts.seen WHERE account = $2 AND person = $1
        ORDER BY seen_at DESC, task OFFSET $3)
"""


class SeenCursorStore:
    """Reads and advances cursors. Raises Refused (503) when the database is unavailable."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def read(self, account: AccountId, person: PersonId) -> dict[str, int]:
        """Return a person's cursors by task, the one that moved last first."""
        async with within(self._pool, account) as connection:
            rows = await connection.fetch(_READ, account, person, MAX_SEEN_CURSORS)
        return {row["task"]: row["version"] for row in rows}

    async def advance(
        self, account: AccountId, person: PersonId, cursors: Mapping[str, int]
    ) -> dict[str, int]:
        """Move cursors forward, never back; return those that moved."""
        said = sorted(cursors.items())  # in one order, so that two writers do not lock each other
        tasks, versions = [task for task, _ in said], [version for _, version in said]
        async with within(self._pool, account) as connection:
            rows = await connection.fetch(_ADVANCE, account, person, tasks, versions, self._clock())
            await connection.execute(_TRIM, person, account, MAX_SEEN_CURSORS)
        return {row["task"]: row["version"] for row in rows}
