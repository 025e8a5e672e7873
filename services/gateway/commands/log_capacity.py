"""Room in the log: new tasks are refused before its disk is full.

A full disk stops JetStream until it is restarted, and then no task goes on. So the last fifth is
for the tasks there are.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from infra.log.event_log import Unavailable
from services.gateway.problems import Refused, problem, unavailable

_FULL_SHARE: Final = 0.8
_AGE: Final = timedelta(seconds=5)
_RETRY_SECONDS: Final = 60


class Info(Protocol):
    """The part of the log's own description that is needed here."""

    @property
    def size_bytes(self) -> int:
        """The size of the log's events on disk."""
        ...


class SizedLog(Protocol):
    """A log that tells its size."""

    async def info(self) -> Info:
        """Return the size of the log. Raises Unavailable."""
        ...


class LogCapacity:
    """Knows how full the log is, as of a few seconds ago. A capacity of 0 bytes is boundless."""

    def __init__(
        self, log: SizedLog, *, capacity_bytes: int, clock: Callable[[], datetime]
    ) -> None:
        self._log = log
        self._capacity_bytes = capacity_bytes
        self._clock = clock
        self._size_bytes = 0
        self._asked_at: datetime | None = None

    async def require(self) -> None:
        """Raise Refused (503) when the log has no room for new tasks, or does not answer."""
        if not self._capacity_bytes:
            return
        now = self._clock()
        if self._asked_at is None or now - self._asked_at > _AGE:
            try:
                self._size_bytes = (await self._log.info()).size_bytes
            except Unavailable:
                raise unavailable("The event log does not answer at the moment.") from None
            self._asked_at = now
        share = self._size_bytes / self._capacity_bytes
        if share >= _FULL_SHARE:
            raise Refused(
                problem(
                    503,
                    "log_full",
                    f"The event log is {share:.0%} full, so no new task is taken; those there are "
                    "go on. Its operator has to give it more disk (LOG_CAPACITY_BYTES).",
                    retryable=True,
                ),
                retry_after_seconds=_RETRY_SECONDS,
            )
