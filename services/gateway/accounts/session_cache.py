"""What is remembered for some seconds of who may still act: a session's or key's person and role.

Whatever is revoked in this process is forgotten at once; other processes hear of it over Redis on
`access.REVOKED` (the stream ends such connections) or look again after five seconds.
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
_MOST: Final = 10_000
_log = logger(__name__)


class _Kept(NamedTuple):
    principal: Principal
    at: datetime


class _Lookup(NamedTuple):
    """A lookup under way, and how often something was forgotten before it began."""

    forgotten: int
    found: asyncio.Future[Principal | None]


class SessionCache:
    """The principals found lately, by whatever they were looked up with; the oldest give way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: LruMap[str, _Kept] = LruMap(_MOST)
        self._lookups: dict[str, _Lookup] = {}
        self._forgotten = 0

    async def recall(
        self, name: str, look: Callable[[], Awaitable[Principal | None]]
    ) -> Principal | None:
        """Tell whose standing this is, as it was at most five seconds ago; else look.

        Who comes while another looks for the same name waits for what that one finds: the devices
        of a person that come back together cost one question to the database. A lookup that began
        before something was forgotten answers nobody who comes after.
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
            self._kept.put(name, _Kept(found, now))

    def remembers(self, name: str) -> bool:
        """Tell whether `recall` would answer without looking."""
        kept = self._kept.get(name)
        return kept is not None and self._clock() - kept.at < _AGE

    def forget(self, sessions: Iterable[str]) -> None:
        """Forget what is known of these sessions and keys."""
        self._forgotten += 1
        gone = set(sessions)
        for name in [n for n, kept in self._kept.items() if kept.principal.session in gone]:
            del self._kept[name]

    def forget_person(self, person: str) -> None:
        """Forget what is known of a person: their role is another one now."""
        self._forgotten += 1
        for name in [n for n, kept in self._kept.items() if kept.principal.person == person]:
            del self._kept[name]


class Revocations:
    """Makes an end felt: here at once, elsewhere as soon as Redis has told it."""

    def __init__(self, standings: SessionCache, live: redis.Redis) -> None:
        self._standings = standings
        self._live = live

    async def tell(self, sessions: Iterable[str]) -> None:
        """Tell that these sessions and keys have ended. Call it once that is stored."""
        ended = list(sessions)
        self._standings.forget(ended)
        try:
            with redis_errors():
                for session in ended:
                    await self._live.publish(REVOKED, session)
        except RedisUnavailable as error:  # the others look again by themselves
            _log.warning("a revocation was not told", error=type(error).__name__)
