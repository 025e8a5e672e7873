"""Packs of what set-ups added: rows in Postgres, parts in the object store.

A pack counts once its row is there. One that is replaced, dropped or evicted loses its row first
and its objects after, so that a reader finds a miss and never half of one.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from events import AccountId, TaskId
from events.protocol.broker_environment import PackPart
from infra.runtime.clock import Clock
from services.gateway.problems import not_found
from services.gateway.stores.database import Pool, within
from services.gateway.stores.object_store import Storage

_USE: Final = """
    UPDATE accounts.environment_pack SET used_at = $4, uses = uses + 1
    WHERE account = $1 AND repository = $2 AND key = $3 RETURNING parts
"""
_PREFIX: Final = """
    SELECT prefix FROM accounts.environment_pack
    WHERE account = $1 AND repository = $2 AND key = $3
"""
_KEEP: Final = """
    INSERT INTO accounts.environment_pack
        (account, repository, key, prefix, parts, size_bytes, task, created_at, used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
    ON CONFLICT (account, repository, key) DO UPDATE
    SET prefix = excluded.prefix, parts = excluded.parts, size_bytes = excluded.size_bytes,
        task = excluded.task, created_at = excluded.created_at, used_at = excluded.used_at
"""
# The newest used are kept as far as they fit together; the pack just stored is one of them.
_EVICT: Final = """
    DELETE FROM accounts.environment_pack p USING (
        SELECT repository, key, sum(size_bytes) OVER (ORDER BY used_at DESC, key) AS total
        FROM accounts.environment_pack WHERE account = $1
    ) used
    WHERE p.account = $1 AND p.repository = used.repository AND p.key = used.key AND total > $2
    RETURNING p.prefix
"""
_DROP: Final = """
    DELETE FROM accounts.environment_pack
    WHERE account = $1 AND repository = $2 AND ($3 = '' OR key = $3) RETURNING prefix
"""


class PackPlace(NamedTuple):
    """Place of a pack: account and repository, and its key there."""

    account: AccountId
    repository: str
    key: str


class EnvironmentPacks:
    """Stores, opens and drops packs. Every method raises Refused (503) when a store is away.

    `account_bytes` is how much is kept for an account, for whoever keeps.
    """

    def __init__(
        self, pool: Pool, storage: Storage, clock: Clock, *, account_bytes: int = 0
    ) -> None:
        self._pool = pool
        self._storage = storage
        self._clock = clock
        self._account_bytes = account_bytes

    async def use(self, place: PackPlace) -> Sequence[PackPart]:
        """Return the parts of a pack that is about to be read; none where there is no pack."""
        async with within(self._pool, place.account) as connection:
            stored = await connection.fetchval(_USE, *place, self._clock())
        return msgspec.json.decode(stored, type=tuple[PackPart, ...]) if stored else ()

    async def read_part(self, place: PackPlace, number: int) -> bytes:
        """Return a part of a pack. Raises Refused (404) when there is none."""
        async with within(self._pool, place.account) as connection:
            prefix = await connection.fetchval(_PREFIX, *place)
        if prefix is None:
            raise not_found("pack")
        stored = await self._storage.get(_part_key(prefix, number))
        return b"".join([piece async for piece in stored.content])

    async def write_part(
        self, place: PackPlace, number: int, content: bytes, *, writer: str
    ) -> None:
        """Store a part of the pack that an attempt (`writer`) makes."""
        await self._storage.put(_part_key(_prefix(place, writer), number), content)

    async def keep(
        self, place: PackPlace, parts: Sequence[PackPart], *, task: TaskId, writer: str
    ) -> None:
        """Let the pack that an attempt made count, and evict what was not used for longest."""
        prefix, now = _prefix(place, writer), self._clock()
        size_bytes = sum(part.size_bytes for part in parts)
        stored = msgspec.json.encode(parts).decode()
        async with within(self._pool, place.account) as connection:
            before = await connection.fetchval(_PREFIX, *place)
            await connection.execute(_KEEP, *place, prefix, stored, size_bytes, task, now)
            evicted = await connection.fetch(_EVICT, place.account, self._account_bytes)
        gone = {row["prefix"] for row in evicted} | ({before} if before else set())
        await self._remove(gone - {prefix} if size_bytes <= self._account_bytes else gone)

    async def drop(self, account: AccountId, repository: str, key: str = "") -> int:
        """Drop a repository's packs, or one of them; return how many there were."""
        async with within(self._pool, account) as connection:
            rows = await connection.fetch(_DROP, account, repository, key)
        await self._remove({row["prefix"] for row in rows})
        return len(rows)

    async def _remove(self, prefixes: set[str]) -> None:
        for prefix in prefixes:
            await self._storage.delete(await self._storage.keys(f"{prefix}/"))


def _prefix(place: PackPlace, writer: str) -> str:
    repository = sha256(place.repository.encode()).hexdigest()[:32]
    return f"environments/{place.account}/{repository}/{place.key}/{writer}"


def _part_key(prefix: str, number: int) -> str:
    return f"{prefix}/{number:04d}"
