"""Reader of tasks for links: redacted events, and the state they fold to."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from events import NOWHERE, GatewayEvent, Head, Recorded, TaskErased
from events.codec import decode
from events.protocol.api.shares import SharedTask
from events.protocol.task_state import TaskState, evolve
from infra.log.event_log import EventLog, Unavailable
from infra.stores.lru import LruMap
from services.gateway.problems import unavailable
from services.gateway.queries.shares import OpenShare, gone
from services.gateway.tasks.redaction import encoded, redacted

_MAX_STATES: Final = 500
_MAX_PAGE_BYTES: Final = 1024 * 1024
_MANY: Final = 100  # more events are redacted beside the event loop


class SharedPage(NamedTuple):
    """Redacted events, the `after` of the next page (0: none), and the last version shown."""

    bodies: Sequence[bytes]
    next: int
    head: int


class _Shown(NamedTuple):
    state: TaskState | None
    head: Head


class SharedTasks:
    """Reads for links. Every method raises Refused: 410 when the task is erased, 503."""

    def __init__(self, log: EventLog[GatewayEvent]) -> None:
        self._log = log
        self._shown: LruMap[str, _Shown] = LruMap(_MAX_STATES)

    async def task(self, opened: OpenShare) -> SharedTask:
        """Return the task as the link shows it."""
        share = opened.share
        state = await self._state(opened)
        return SharedTask(
            state=state,
            parts=share.parts,
            is_live=share.up_to_version is None,
            expires_at=share.expires_at,
        )

    async def page(self, opened: OpenShare, *, after: int, limit: int) -> SharedPage:
        """Return up to `limit` events above a version."""
        head = (await self._state(opened)).version
        if after >= head:
            return SharedPage((), 0, head)
        wanted = min(limit, head - after)
        try:
            found = await self._log.bodies(opened.history, after=after, limit=wanted)
        except Unavailable:
            raise _away() from None
        if not found or found[0][0] > after + 1:
            raise gone()
        bodies, last = await asyncio.to_thread(_redact_page, opened, found)
        return SharedPage(bodies, last if last < head else 0, head)

    async def _state(self, opened: OpenShare) -> TaskState:
        before = self._shown.get(opened.share.share) or _Shown(None, NOWHERE)
        try:
            news = await self._log.read(opened.history, after=before.head)
        except Unavailable:
            raise _away() from None
        if len(news) > _MANY:
            after = await asyncio.to_thread(_redact_state, opened, before, news)
        else:
            after = _redact_state(opened, before, news) if news else before
        self._shown.put(opened.share.share, after)
        if after.state is None:
            raise gone()
        return after.state


def _redact_state(opened: OpenShare, before: _Shown, news: Sequence[Recorded]) -> _Shown:
    """Fold on what is shown; an erasure is shown whatever version the link ends at."""
    state, ends_at = before.state, opened.share.up_to_version
    for recorded in news:
        if ends_at is None or recorded.version <= ends_at or _is_erasure(recorded):
            state = evolve(state, redacted(recorded, opened.share.parts))
    return _Shown(state, news[-1].head)


def _is_erasure(recorded: Recorded) -> bool:
    return isinstance(recorded.event, TaskErased)


def _redact_page(opened: OpenShare, found: Sequence[tuple[int, bytes]]) -> tuple[list[bytes], int]:
    bodies: list[bytes] = []
    size, last = 0, 0
    for version, body in _redact_bodies(opened, found):
        if bodies and size + len(body) > _MAX_PAGE_BYTES:
            break
        bodies.append(body)
        size, last = size + len(body), version
    return bodies, last or found[-1][0]


def _redact_bodies(
    opened: OpenShare, found: Sequence[tuple[int, bytes]]
) -> Iterator[tuple[int, bytes]]:
    for version, body in found:
        try:
            recorded = decode(opened.history, 0, body)
        except msgspec.DecodeError:
            continue  # no reader of the log takes it
        yield version, encoded(redacted(recorded, opened.share.parts))


def _away() -> Exception:
    return unavailable("The event log does not answer at the moment.")
