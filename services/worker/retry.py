"""Retry policy of a worker for what is unavailable: the gateway, the forge, the object store.

One policy for all of them: ask again after ever longer pauses, until retry or the machine's
time ends. An outage of half an hour costs a task nothing but time.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from infra.runtime.clock import Clock, utc_now
from services.worker.agent.failures.outage import Outage, Unreachable, describe_outage

_SHUTDOWN_SECONDS: Final = 60.0  # before the machine's deadline, so that the attempt can say why


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times of a retry policy: in all, and between two tries."""

    seconds: float = 1800.0
    first_pause_seconds: float = 0.25
    max_pause_seconds: float = 10.0


DEFAULT: Final = RetrySettings()


class Backoff:
    """One wait for one thing, from its first failure on."""

    def __init__(self, policy: RetrySettings, seconds: float, jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._jitter = jitter
        self._began = asyncio.get_running_loop().time()
        self._end = self._began + seconds
        self._pause_seconds = policy.first_pause_seconds

    @property
    def waited_seconds(self) -> float:
        """The seconds since the first failure."""
        return asyncio.get_running_loop().time() - self._began

    async def pause(self) -> bool:
        """Pause, and return True; return False at once when the time is over."""
        pause_seconds = self._pause_seconds * (0.5 + self._jitter() / 2)
        if asyncio.get_running_loop().time() + pause_seconds > self._end:
            return False
        await asyncio.sleep(pause_seconds)
        longest = self._policy.max_pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, longest)
        return True

    def error(self, reason: Outage, trouble: str) -> Unreachable:
        """Make the error that says what did not answer, for how long, and what was heard last."""
        return Unreachable(
            reason, f"{describe_outage(reason, self.waited_seconds)} {trouble}".strip()
        )


class RetryPolicy:
    """The policy of one attempt, which has no time beyond its machine's deadline."""

    def __init__(
        self,
        policy: RetrySettings = DEFAULT,
        *,
        deadline: datetime | None = None,
        clock: Clock = utc_now,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._deadline = deadline
        self._clock = clock
        self._jitter = jitter

    def start(self, *, max_seconds: float | None = None) -> Backoff:
        """Begin to wait, for `max_seconds` at most."""
        seconds = self._policy.seconds
        if max_seconds is not None:
            seconds = min(seconds, max_seconds)
        if self._deadline is not None:
            left_seconds = (self._deadline - self._clock()).total_seconds()
            seconds = max(0.0, min(seconds, left_seconds - _SHUTDOWN_SECONDS))
        return Backoff(self._policy, seconds, self._jitter)
