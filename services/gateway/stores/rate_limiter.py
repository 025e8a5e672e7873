"""Rate limiter: one bucket per caller and kind of request.

The buckets are in Redis, so that all gateways count together. While Redis is away each gateway
counts for itself: the limit is then as many times as high as there are gateways, and never gone.
"""

import asyncio
from collections.abc import Mapping
from importlib.resources import files
from math import ceil
from typing import Final, NamedTuple

import redis.asyncio as redis

from infra.runtime.telemetry import logger
from infra.stores.lru import LruMap
from infra.stores.redis_errors import RedisUnavailable, redis_errors
from services.gateway.stores.callers import Kind

_WINDOW_SECONDS: Final = 60
_AWAY_SECONDS: Final = 5.0
_MAX_BUCKETS: Final = 20_000

_log = logger(__name__)


class RateLimitResult(NamedTuple):
    """The answer of the limiter: whether to go on, and the bucket's level. `most` per minute."""

    kind: Kind
    most: int
    is_allowed: bool
    left: float

    @property
    def retry_after_seconds(self) -> int:
        """Until there is one again, at least a second."""
        return max(1, ceil((1 - self.left) * _WINDOW_SECONDS / self.most))

    def headers(self) -> dict[str, str]:
        """Return it as RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10)."""
        full_seconds = ceil((self.most - self.left) * _WINDOW_SECONDS / self.most)
        return {
            "RateLimit": f'"{self.kind}";r={int(self.left)};t={full_seconds}',
            "RateLimit-Policy": f'"{self.kind}";q={self.most};w={_WINDOW_SECONDS}',
        }


class Bucket(NamedTuple):
    """The level of a bucket, and when it was read, by a steady clock."""

    level: float
    at: float


def take(bucket: Bucket, now: float, most: int) -> tuple[Bucket, bool]:
    """Take one out, if there is one; what was taken before comes back evenly over a minute. Pure.

    `rate_limiter.lua` does the same.
    """
    level = min(most, bucket.level + max(0.0, now - bucket.at) * most / _WINDOW_SECONDS)
    return (Bucket(level - 1, now), True) if level >= 1 else (Bucket(level, now), False)


class RateLimiter:
    """All buckets. `most` tells how many requests of each kind a caller may make a minute."""

    def __init__(self, live: redis.Redis, most: Mapping[Kind, int]) -> None:
        self._most = most
        script = (files("services.gateway.stores") / "rate_limiter.lua").read_text()
        self._script = live.register_script(script)
        self._away_until = 0.0
        self._own: LruMap[str, Bucket] = LruMap(_MAX_BUCKETS)

    async def take(self, kind: Kind, caller: str) -> RateLimitResult:
        """Count one request of a caller: a person's id, or an address."""
        most = self._most[kind]
        key = f"limit.{kind}.{caller}"
        now = asyncio.get_running_loop().time()
        if now < self._away_until:
            return self._take_here(kind, key, now)
        try:
            with redis_errors():
                taken, left = await self._script(keys=[key], args=[most, most / _WINDOW_SECONDS, 1])
        except RedisUnavailable as error:
            _log.warning("limits.counted_locally", error=repr(error))
            self._away_until = now + _AWAY_SECONDS
            return self._take_here(kind, key, now)
        return RateLimitResult(kind, most, bool(taken), float(left))

    async def give_back(self, kind: Kind, caller: str) -> None:
        """Take one request off again that was counted before it was known to be good."""
        most = self._most[kind]
        key = f"limit.{kind}.{caller}"
        now = asyncio.get_running_loop().time()
        if now >= self._away_until:
            try:
                with redis_errors():
                    await self._script(keys=[key], args=[most, most / _WINDOW_SECONDS, -1])
            except RedisUnavailable as error:
                _log.warning("limits.counted_locally", error=repr(error))
                self._away_until = now + _AWAY_SECONDS
        elif key in self._own:
            before = self._own[key]
            self._own[key] = before._replace(level=min(most, before.level + 1))

    def _take_here(self, kind: Kind, key: str, now: float) -> RateLimitResult:
        most = self._most[kind]
        before = self._own.get(key, Bucket(most, now))
        bucket, is_allowed = take(before, now, most)
        self._own.put(key, bucket)
        return RateLimitResult(kind, most, is_allowed, bucket.level)
