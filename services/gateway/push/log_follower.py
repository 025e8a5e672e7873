"""Follower of the log that creates pushes for events that deserve one.

Every gateway reads all of it; an event read twice creates one push (its key is unique). The
position in Postgres is how far all pushes are created: a starting gateway continues from there.
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
    """The log that is read, and the position noted in Postgres."""

    log_created_at: datetime
    noted: int


class _Known(NamedTuple):
    """A task's notification state up to a version, or up to the next relevant event."""

    version: int
    state: NotificationState


class LogFollower:
    """Follows the log as `push`, and stores folded states in `states`.

    A history joined in its middle is read once, before its first relevant event; one that begins
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
        self._known_states: dict[TaskId, _Known] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Create pushes until stopped. Waits while database or log are away."""
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
        """Create the pushes of a batch. Repeatable: existing pushes stay as they are."""
        end = batch[-1].sequence
        if not await self._announce(batch) and end - place.noted < _NOTED_EVERY:
            return place
        await self._pushes.advance(place.log_created_at, end)
        return place._replace(noted=end)

    async def _announce(self, batch: Sequence[Recorded]) -> bool:
        """Create the pushes of a batch; return whether there was one."""
        is_news = False
        for recorded in batch:
            if isinstance(recorded.event, TaskErased):
                await self._pushes.forget(recorded.account, recorded.task)
                self._known_states.pop(recorded.task, None)
                self._states.forget(recorded.history)
            elif isinstance(recorded.event, TaskSubmitted):
                self._begin_state(recorded)
            elif concerns(recorded):
                is_news = await self._announce_change(recorded) or is_news
        return is_news

    def _begin_state(self, recorded: Recorded) -> None:
        """Start a task's state at its submission; a repeated batch changes nothing."""
        state = attempt(evolve, EMPTY_STATE, recorded)
        if recorded.task not in self._known_states and not isinstance(state, Broken):
            self._keep(recorded.task, _Known(recorded.version, state))

    def _keep(self, task: TaskId, known: _Known) -> None:
        self._known_states[task] = known
        while len(self._known_states) > MAX_HISTORIES:
            del self._known_states[next(iter(self._known_states))]

    async def _announce_change(self, recorded: Recorded) -> bool:
        known = self._known_states.pop(recorded.task, None) or await self._read_before(recorded)
        if recorded.version > known.version:  # else it was created before a dependency was away
            state = attempt(evolve, known.state, recorded)
            if isinstance(state, Broken):
                await self._log.quarantine(NAME, recorded.history, recorded.sequence, state.reason)
                state = known.state  # this task's next notice may be missing, and nobody else's
            else:
                self._states.learn(recorded.history, Folded(state, recorded.head, UNDATED))
            news = news_of(known.state, state, recorded)
            if news is not None:
                await self._pushes.announce(news)
            known = _Known(recorded.version, state)
        else:
            news = None
        self._keep(recorded.task, known)
        return news is not None

    async def _read_before(self, recorded: Recorded) -> _Known:
        stored = await self._log.read(recorded.history)
        before = [each for each in stored if each.version < recorded.version]
        state = attempt(fold_history, before)
        if isinstance(state, Broken):
            await self._log.quarantine(NAME, recorded.history, recorded.sequence, state.reason)
            state = EMPTY_STATE
        return _Known(0, state)


async def _retry_until_available(
    work: Callable[[], Awaitable[T]], stopping: asyncio.Event
) -> T | None:
    """Repeat the work until database and log are available; None when stopped."""
    while not stopping.is_set():
        try:
            return await work()
        except (Refused, Unavailable) as away:
            _log.warning("push.log_unavailable", reason=str(away))
        with suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_SECONDS):
                await stopping.wait()
    return None


def news_of(
    before: NotificationState, after: NotificationState, recorded: Recorded
) -> NoticeChange | None:
    """Return the change of a task's notice by an event; None when it is unchanged."""
    if after.notice == before.notice:
        return None
    return NoticeChange(
        recorded.account, recorded.task, after.title, after.notice, recorded.at, after.audience
    )
