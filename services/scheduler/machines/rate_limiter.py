"""Token buckets that keep calls below the Machines API's rate limits."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from infra.runtime.clock import Clock


class Rate(msgspec.Struct, frozen=True):
    """Calls per second, and how many at once after a pause."""

    per_second: float
    burst: int


# Source: Fly's documentation of the Machines API, "rate limits"; each for one machine or app.
ORDINARY = Rate(1.0, 3)
READING = Rate(5.0, 10)
_FORGET_ABOVE = 1000


class Limits:
    """One bucket per (identifier, action). Waits instead of exceeding the rate."""

    def __init__(
        self, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._free_at: dict[tuple[str, str], datetime] = {}

    async def admit(self, identifier: str, action: str) -> None:
        """Return when the next call may be made. Calls are let in in the order they came."""
        seconds = self._reserve(identifier, action)
        if seconds > 0:
            await self._sleep(seconds)

    def _reserve(self, identifier: str, action: str) -> float:
        """Reserve the next call; return the seconds until it may be made.

        Kept as the time at which the bucket is full again (the generic cell rate algorithm).
        """
        rate = READING if action == "get" else ORDINARY
        now = self._clock()
        if len(self._free_at) > _FORGET_ABOVE:
            self._free_at = {key: at for key, at in self._free_at.items() if at > now}
        full_at = max(self._free_at.get((identifier, action), now), now)
        ahead = (full_at - now).total_seconds()
        self._free_at[identifier, action] = full_at + timedelta(seconds=1 / rate.per_second)
        return max(0.0, ahead - (rate.burst - 1) / rate.per_second)
