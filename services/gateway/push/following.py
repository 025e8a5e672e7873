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

from events import GatewayEvent, History, Recorded, TaskErased
from infra.event_log import Unavailable
from infra.jetstream import JetStreamLog
from infra.telemetry import logger
from services.gateway.problems import Refused
from services.gateway.push.notice import NO_TALE, concerns, evolve
from services.gateway.push.pushes import News, Pushes

T = TypeVar("T")

NAME: Final = "push"
_NOTED_EVERY: Final = 1000  # events, where none of them is of interest
_RETRY_SECONDS: Final = 1.0

_log = logger(__name__)


class _Place(NamedTuple):
    """Which log is read, and up to where that is noted in Postgres."""

    log_created_at: datetime
    noted: int


class Follower:
    """Follows the log as `push`."""

    def __init__(self, log: JetStreamLog[GatewayEvent], pushes: Pushes) -> None:
        self._log = log
        self._pushes = pushes

    async def run(self, stopping: asyncio.Event) -> None:
        """Make pushes until told to stop. A database or log that is away is waited for."""
        began = await _patiently(self._begin, stopping)
        if began is None:
            return
        async for batch in self._log.follow(NAME, after=began.noted, until=stopping):
            took = await _patiently(partial(self._take, began, batch), stopping)
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
        """Make the pushes of a batch; tell whether any of it was of interest."""
        for erased in (r for r in batch if isinstance(r.event, TaskErased)):
            await self._pushes.forget(erased.account, erased.task)
        of_interest = [recorded for recorded in batch if concerns(recorded)]
        for history in dict.fromkeys(recorded.history for recorded in of_interest):
            wanted = {r.version for r in of_interest if r.history == history}
            for news in changes(history, await self._log.read(history), wanted):
                await self._pushes.announce(news)
        return bool(of_interest)


async def _patiently(work: Callable[[], Awaitable[T]], stopping: asyncio.Event) -> T | None:
    """Do it, as often as it takes for database and log to answer; None when told to stop."""
    while not stopping.is_set():
        try:
            return await work()
        except (Refused, Unavailable) as away:
            _log.warning("pushes wait", reason=str(away))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _RETRY_SECONDS)
    return None


def changes(history: History, recorded: Sequence[Recorded], wanted: set[int]) -> list[News]:
    """Find, among the wanted versions of a history, those that changed its notice. Pure."""
    tale, found = NO_TALE, []
    for each in recorded:
        before, tale = tale.notice, evolve(tale, each)
        if tale.notice != before and each.version in wanted:
            found.append(
                News(history.account, history.task, tale.title, tale.notice, each.at, tale.audience)
            )
    return found
