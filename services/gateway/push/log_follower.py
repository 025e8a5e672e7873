"""Reads the log for what deserves a push, and makes the pushes.

Every gateway reads all of it; what two read makes one push (its key is unique). The position in
Postgres is how far all pushes are made: a gateway that starts reads on from there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, TypeVar

from events import GatewayEvent, Recorded, TaskErased, TaskId, TaskSubmitted
from events.protocol.quarantine import Broken, attempt
from infra.log.event_log import Unavailable
from infra.log.jetstream import JetStreamLog
from infra.runtime.telemetry import logger
from services.gateway.problems import Refused
from services.gateway.push.notification.state import (
    EMPTY_STATE,
    NotificationState,
    concerns,
    evolve,
    fold_history,
)
from services.gateway.push.queue import NoticeChange, PushQueue
from services.gateway.queries.fold_cache import UNDATED, FoldCache, Folded

T = TypeVar("T")

NAME: Final = "push"
_NOTED_EVERY: Final = 1000  # events, where none of them makes a push
MAX_HISTORIES: Final = 10_000
_RETRY_SECONDS: Final = 1.0

_log = logger(__name__)


class _Place(NamedTuple):
    """Which log is read, and up to where that is noted in Postgres."""

    log_created_at: datetime
    noted: int


class _Known(NamedTuple):
    """A task's tale up to a version, or up to the next event that concerns it."""

    version: int
    tale: NotificationState


class LogFollower:
    """Follows the log as `push`, and leaves in `states` what it comes to know.

    A history met in its middle is read once, before its first event of interest; one that begins
    here is never read.
    """

    def __init__(
        self,
        log: JetStreamLog[GatewayEvent],
        pushes: PushQueue,
        states: FoldCache[NotificationState],
    ) -> None:
        self._log = log
        self._pushes = pushes
        self._states = states
        self._tales: dict[TaskId, _Known] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Make pushes until told to stop. A database or log that is away is waited for."""
        began = await _retry_until_available(self._begin, stopping)
        if began is None:
            return
        async for batch in self._log.follow(NAME, after=began.noted, until=stopping):
            took = await _retry_until_available(partial(self._take, began, batch), stopping)
            if took is None:
                return
            began = took

    async def _begin(self) -> _Place:
        info = await self._log.info()
        return _Place(info.created, await self._pushes.position(info.created, info.last_sequence))

    async def _take(self, place: _Place, batch: Sequence[Recorded]) -> _Place:
        """Make the pushes of a batch, again if need be: what is there already stays as it is."""
        end = batch[-1].sequence
        if not await self._announce(batch) and end - place.noted < _NOTED_EVERY:
            return place
        await self._pushes.advance(place.log_created_at, end)
        return place._replace(noted=end)

    async def _announce(self, batch: Sequence[Recorded]) -> bool:
        """Make the pushes of a batch; tell whether there was one."""
        is_news = False
        for recorded in batch:
            if isinstance(recorded.event, TaskErased):
                await self._pushes.forget(recorded.account, recorded.task)
                self._tales.pop(recorded.task, None)
                self._states.forget(recorded.history)
            elif isinstance(recorded.event, TaskSubmitted):
                self._begin_tale(recorded)
            elif concerns(recorded):
                is_news = await self._tell(recorded) or is_news
        return is_news

    def _begin_tale(self, recorded: Recorded) -> None:
        """Know a task from its submission on; a batch that is taken again changes nothing."""
        tale = attempt(evolve, EMPTY_STATE, recorded)
        if recorded.task not in self._tales and not isinstance(tale, Broken):
            self._keep(recorded.task, _Known(recorded.version, tale))

    def _keep(self, task: TaskId, known: _Known) -> None:
        self._tales[task] = known
        while len(self._tales) > MAX_HISTORIES:
            del self._tales[next(iter(self._tales))]

    async def _tell(self, recorded: Recorded) -> bool:
        known = self._tales.pop(recorded.task, None) or await self._read_before(recorded)
        if recorded.version > known.version:  # else it was told before something was away
            tale = attempt(evolve, known.tale, recorded)
            if isinstance(tale, Broken):
                await self._log.quarantine(NAME, recorded.history, recorded.sequence, tale.reason)
                tale = known.tale  # this task's next notice may be missing, and nobody else's
            else:
                self._states.learn(recorded.history, Folded(tale, recorded.head, UNDATED))
            news = news_of(known.tale, tale, recorded)
            if news is not None:
                await self._pushes.announce(news)
            known = _Known(recorded.version, tale)
        else:
            news = None
        self._keep(recorded.task, known)
        return news is not None

    async def _read_before(self, recorded: Recorded) -> _Known:
        stored = await self._log.read(recorded.history)
        before = [each for each in stored if each.version < recorded.version]
        tale = attempt(fold_history, before)
        if isinstance(tale, Broken):
            await self._log.quarantine(NAME, recorded.history, recorded.sequence, tale.reason)
            tale = EMPTY_STATE
        return _Known(0, tale)


async def _retry_until_available(
    work: Callable[[], Awaitable[T]], stopping: asyncio.Event
) -> T | None:
    """Do it, as often as it takes for database and log to answer; None when told to stop."""
    while not stopping.is_set():
        try:
            return await work()
        except (Refused, Unavailable) as away:
            _log.warning("pushes wait", reason=str(away))
        with suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_SECONDS):
                await stopping.wait()
    return None


def news_of(
    before: NotificationState, after: NotificationState, recorded: Recorded
) -> NoticeChange | None:
    """Tell what an event made of a task's notice; None when it left it as it was. Pure."""
    if after.notice == before.notice:
        return None
    return NoticeChange(
        recorded.account, recorded.task, after.title, after.notice, recorded.at, after.audience
    )
