"""The gateway's memory of tasks: folds of histories, and which histories there are."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import reduce
from typing import Final, NamedTuple

from events import GatewayEvent, Head, History, Recorded
from infra.log.event_log import EventLog, Unavailable
from infra.stores.lru import LruMap
from services.gateway.problems import Refused, unavailable
from services.gateway.queries.fold_cache import FoldCache
from services.gateway.tasks.quarantine import evolve
from services.gateway.tasks.task import NO_TASK, Task

_MAX_HISTORIES: Final = 5_000


class CachedTask(NamedTuple):
    """A task as of its head, and when that was read."""

    task: Task
    head: Head
    at: datetime


class TaskCache:
    """The tasks asked about lately; the rest is forgotten, oldest first."""

    def __init__(self, log: EventLog[GatewayEvent], clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock
        self._tasks = FoldCache(
            log, _fold, empty=NO_TASK, clock=clock, max_histories=_MAX_HISTORIES
        )
        self._existing: LruMap[History, datetime] = LruMap(_MAX_HISTORIES)

    async def task(self, history: History, *, age_seconds: float = 0.0) -> CachedTask:
        """Return a task as it stands, or as it stood at most `age_seconds` ago.

        A history without events is `NO_TASK` at `NOWHERE`. Raises Refused (503) when the log does
        not answer.
        """
        try:
            return CachedTask(*await self._tasks.get(history, age_seconds=age_seconds))
        except Unavailable:
            raise _away() from None

    async def exists(self, history: History, *, age_seconds: float) -> bool:
        """Return whether there is such a task, or was less than `age_seconds` ago.

        One that is erased is none. Costs the same however long its history is. Raises Refused (503)
        when the log does not answer.
        """
        known = self._tasks.recent(history, age_seconds)
        if known is not None:
            return known.state.end != "erased"
        now = self._clock()
        seen_at = self._existing.get(history)
        if seen_at is not None and (now - seen_at).total_seconds() < age_seconds:
            return True
        try:
            exists = await self._log.exists(history)
        except Unavailable:
            raise _away() from None
        self._existing.pop(history, None)
        if exists:
            self._existing.put(history, now)
        return exists


def _fold(task: Task, events: Sequence[Recorded]) -> Task:
    return reduce(evolve, events, task)


def _away() -> Refused:
    return unavailable("The event log does not answer at the moment.")
