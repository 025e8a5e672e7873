"""What is remembered for some seconds of who may still act: a session's or key's person and role.

Whatever is revoked in this process is forgotten at once; other processes hear of it over Redis on
`access.REVOKED` (the stream ends such connections) or look again after five seconds.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import redis.asyncio as redis

from infra.clock import Clock
from infra.redis_errors import RedisUnavailable, redis_errors
from infra.telemetry import logger
from services.gateway.access import REVOKED, Principal

_AGE: Final = timedelta(seconds=5)
_MOST: Final = 10_000
_log = logger(__name__)


class _Kept(NamedTuple):
    principal: Principal
    at: datetime


class Standings:
    """The principals found lately, by whatever they were looked up with; the oldest give way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._forgotten = 0

    async def recall(
        self, name: str, look: Callable[[], Awaitable[Principal | None]]
    ) -> Principal | None:
        """Tell whose standing this is, as it was at most five seconds ago; else look."""
        now = self._clock()
        kept = self._kept.get(name)
        if kept is not None and now - kept.at < _AGE:
            return kept.principal
        forgotten = self._forgotten
        found = await look()
        if found is None:
            self._kept.pop(name, None)
        elif forgotten == self._forgotten:  # else it may have been revoked while we looked
            self._kept[name] = _Kept(found, now)
            self._kept.move_to_end(name)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return found

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

    def __init__(self, standings: Standings, live: redis.Redis) -> None:
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
