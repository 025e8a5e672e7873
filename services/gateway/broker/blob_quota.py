"""Quota of a task in the object store: number of objects and total bytes."""

from typing import Final

import msgspec

from events import History
from services.gateway.problems import refused
from services.gateway.stores.database import Pool, within

_COUNT: Final = """
    INSERT INTO accounts.blob_usage AS present (task, account, blobs, size_bytes)
    SELECT $1, $2, 1, $3::bigint WHERE $3::bigint <= $5
    ON CONFLICT (task) DO UPDATE
    SET blobs = present.blobs + 1, size_bytes = present.size_bytes + excluded.size_bytes
    WHERE present.blobs < $4 AND present.size_bytes + excluded.size_bytes <= $5
    RETURNING blobs
"""
_TAKE_OFF: Final = """
    UPDATE accounts.blob_usage SET blobs = blobs - 1, size_bytes = size_bytes - $3
    WHERE task = $1 AND account = $2
"""


class BlobLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Quota of one task."""

    blobs: int
    size_bytes: int


class BlobQuota:
    """Counts objects of tasks before they are stored. Every method raises Refused (503)."""

    def __init__(self, pool: Pool, limits: BlobLimits) -> None:
        self._pool = pool
        self._limits = limits

    async def count(self, history: History, size_bytes: int) -> None:
        """Count an object before it is stored. Raises Refused (413) at the limit.

        An object that replaces another of the same name counts like any other.
        """
        limits = self._limits
        async with within(self._pool, history.account) as connection:
            counted = await connection.fetchval(
                _COUNT, history.task, history.account, size_bytes, limits.blobs, limits.size_bytes
            )
        if counted is None:
            raise refused(
                413,
                "task_storage_full",
                f"A task may store {limits.blobs:,} objects and "
                f"{limits.size_bytes // 2**20:,} MiB in all (BLOBS_PER_TASK, BLOB_BYTES_PER_TASK). "
                "Start a new task for the rest of the work.",
            )

    async def take_off(self, history: History, size_bytes: int) -> None:
        """Subtract an object that could not be stored."""
        async with within(self._pool, history.account) as connection:
            await connection.execute(_TAKE_OFF, history.task, history.account, size_bytes)
