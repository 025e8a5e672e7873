"""What the gateway remembers of tasks: folds of histories, brought up to date from the log."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import reduce
from typing import NamedTuple

from events import NOWHERE, GatewayEvent, Head, History
from infra.event_log import EventLog, Unavailable
from services.gateway.problems import unavailable
from services.gateway.quarantined import evolve
from services.gateway.task import NO_TASK, Task

_MOST_HISTORIES = 5_000


class Known(NamedTuple):
    """A task as of its head, and when that was read."""

    task: Task
    head: Head
    at: datetime


class Recall:
    """Folds of the histories asked about lately; the rest is forgotten, oldest first."""

    def __init__(self, log: EventLog[GatewayEvent], clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock
        self._known: OrderedDict[History, Known] = OrderedDict()

    async def task(self, history: History, *, age_seconds: float = 0.0) -> Known:
        """Tell a task as it stands, or as it stood at most `age_seconds` ago.

        A history without events is `NO_TASK` at `NOWHERE`. Raises Refused (503) when the log does
        not answer.
        """
        now = self._clock()
        known = self._known.get(history)
        if known is not None and (now - known.at).total_seconds() < age_seconds:
            return known
        before = known or Known(NO_TASK, NOWHERE, now)
        try:
            news = await self._log.read(history, after=before.head)
        except Unavailable:
            raise unavailable("The event log does not answer at the moment.") from None
        task = reduce(evolve, news, before.task)
        return self._keep(history, Known(task, news[-1].head if news else before.head, now))

    def _keep(self, history: History, known: Known) -> Known:
        kept = self._known.get(history)
        if kept is not None and kept.head.version > known.head.version:
            return kept  # a read that began later came back sooner
        if known.head.version:
            self._known[history] = known
            self._known.move_to_end(history)
            while len(self._known) > _MOST_HISTORIES:
                self._known.popitem(last=False)
        return known
