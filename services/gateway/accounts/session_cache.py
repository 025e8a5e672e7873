"""Short-lived cache of principals: the person and role of each session or API key.

A credential revoked in this process is evicted at once; other processes are notified over Redis on
`access.REVOKED` (the stream ends such connections) or look it up again after five seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import redis.asyncio as redis

from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from infra.stores.lru import LruMap
from infra.stores.redis_errors import RedisUnavailable, redis_errors
from services.gateway.problems import Refused
from services.gateway.tasks.access import REVOKED, Principal

_AGE: Final = timedelta(seconds=5)
_MAX_ENTRIES: Final = 10_000
_log = logger(__name__)


class _CacheEntry(NamedTuple):
    principal: Principal
    at: datetime


class _Lookup(NamedTuple):
    """A running lookup, and the eviction count when it began."""

    forgotten: int
    found: asyncio.Future[Principal | None]


class SessionCache:
    """Principals found recently, by their lookup key; the oldest are evicted first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: LruMap[str, _CacheEntry] = LruMap(_MAX_ENTRIES)
        self._lookups: dict[str, _Lookup] = {}
        self._forgotten = 0

    async def recall(
        self, name: str, look: Callable[[], Awaitable[Principal | None]]
    ) -> Principal | None:
        """Return the cached principal, at most five seconds old; otherwise look it up.

        Concurrent lookups of one name share one query: the devices
        of a person that reconnect together cost one database query. A lookup that began
        before an eviction is not shared with later callers.
        """
        while True:
            kept = self._kept.get(name)
            if kept is not None and self._clock() - kept.at < _AGE:
                return kept.principal
            under_way = self._lookups.get(name)
            if under_way is None or under_way.forgotten != self._forgotten:
                return await self._look(name, look)
            await asyncio.wait([under_way.found])
            if not under_way.found.cancelled():
                return under_way.found.result()

    async def _look(
        self, name: str, look: Callable[[], Awaitable[Principal | None]]
    ) -> Principal | None:
        now = self._clock()
        lookup = _Lookup(self._forgotten, asyncio.get_running_loop().create_future())
        self._lookups[name] = lookup
        try:
            found = await look()
        except Refused as refusal:
            lookup.found.set_exception(refusal)
            lookup.found.exception()  # nobody has to wait for it
            raise
        else:
            self._keep(name, found, now, forgotten=lookup.forgotten)
            lookup.found.set_result(found)
            return found
        finally:
            lookup.found.cancel()  # no effect when it is done; else another looks
            if self._lookups.get(name) is lookup:
                del self._lookups[name]

    def _keep(self, name: str, found: Principal | None, now: datetime, *, forgotten: int) -> None:
        if found is None:
            self._kept.pop(name, None)
        elif forgotten == self._forgotten:  # else it may have been revoked while we looked
            self._kept.put(name, _CacheEntry(found, now))

    def remembers(self, name: str) -> bool:
        """Return whether `recall` would answer from the cache."""
        kept = self._kept.get(name)
        return kept is not None and self._clock() - kept.at < _AGE

    def forget(self, sessions: Iterable[str]) -> None:
        """Evict these sessions and keys."""
        self._forgotten += 1
        gone = set(sessions)
        for name in [n for n, kept in self._kept.items() if kept.principal.session in gone]:
            del self._kept[name]

    def forget_person(self, person: str) -> None:
        """Evict a person whose role has changed."""
        self._forgotten += 1
        for name in [n for n, kept in self._kept.items() if kept.principal.person == person]:
            del self._kept[name]


class Revocations:
    """Publishes revocations: effective here at once, elsewhere when Redis delivers them."""

    def __init__(self, session_cache: SessionCache, live: redis.Redis) -> None:
        self._session_cache = session_cache
        self._live = live

    async def publish(self, sessions: Iterable[str]) -> None:
        """Publish that these sessions and keys have ended, after that is stored."""
        ended = list(sessions)
        self._session_cache.forget(ended)
        try:
            with redis_errors():
                for session in ended:
                    await self._live.publish(REVOKED, session)
        except RedisUnavailable as error:  # the others look again by themselves
            _log.warning("revocation.not_published", error=type(error).__name__)
