"""Reader of tasks for links: redacted events, and the state they fold to.

Who edits or withdraws an instruction may do so because of what stood in it: a link shows its last
words alone, also one that ends at an earlier version.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from events import (
    NOWHERE,
    GatewayEvent,
    Head,
    InstructionEdited,
    InstructionWithdrawn,
    Recorded,
    TaskErased,
    TaskInstructed,
)
from events.codec import decode
from events.protocol.api.shares import SharedTask
from events.protocol.task_state import TaskState, evolve
from infra.log.event_log import EventLog, Unavailable
from infra.stores.lru import LruMap
from services.gateway.problems import unavailable
from services.gateway.queries.shares import OpenShare, gone
from services.gateway.tasks.share_redaction import encoded, redacted

CHANGED: Final = "[redacted:changed]"
"""In place of the words of an instruction that was edited or withdrawn."""

_MAX_STATES: Final = 500
_MAX_PAGE_BYTES: Final = 1024 * 1024
_MANY: Final = 100  # more events are redacted beside the event loop


class SharedPage(NamedTuple):
    """Redacted events, the `after` of the next page (0: none), and the last version shown."""

    bodies: Sequence[bytes]
    next: int
    head: int


class _Shown(NamedTuple):
    """`changed`: the versions at which instructions were changed last, by their own versions."""

    state: TaskState | None
    head: Head
    changed: Mapping[int, int]


_UNREAD: Final = _Shown(None, NOWHERE, {})


class SharedTasks:
    """Reads for links. Every method raises Refused: 410 when the task is erased, 503."""

    def __init__(self, log: EventLog[GatewayEvent]) -> None:
        self._log = log
        self._shown: LruMap[str, _Shown] = LruMap(_MAX_STATES)

    async def task(self, opened: OpenShare) -> SharedTask:
        """Return the task as the link shows it."""
        share = opened.share
        shown = await self._read(opened)
        return SharedTask(
            state=_state_of(shown),
            parts=share.parts,
            is_live=share.up_to_version is None,
            expires_at=share.expires_at,
        )

    async def page(self, opened: OpenShare, *, after: int, limit: int) -> SharedPage:
        """Return up to `limit` events above a version."""
        shown = await self._read(opened)
        head = _state_of(shown).version
        if after >= head:
            return SharedPage((), 0, head)
        wanted = min(limit, head - after)
        try:
            found = await self._log.bodies(opened.history, after=after, limit=wanted)
        except Unavailable:
            raise _away() from None
        if not found or found[0][0] > after + 1:
            raise gone()
        bodies, last = await asyncio.to_thread(_redact_page, opened, found, shown.changed)
        return SharedPage(bodies, last if last < head else 0, head)

    async def _read(self, opened: OpenShare) -> _Shown:
        before = self._shown.get(opened.share.share) or _UNREAD
        news = await self._news(opened, before)
        if before is not _UNREAD and _changes(news):  # words that were folded in are taken back
            before = _UNREAD
            news = await self._news(opened, before)
        if len(news) > _MANY:
            after = await asyncio.to_thread(_redact_state, opened, before, news)
        else:
            after = _redact_state(opened, before, news) if news else before
        self._shown.put(opened.share.share, after)
        return after

    async def _news(self, opened: OpenShare, before: _Shown) -> Sequence[Recorded]:
        try:
            return await self._log.read(opened.history, after=before.head)
        except Unavailable:
            raise _away() from None


def _state_of(shown: _Shown) -> TaskState:
    if shown.state is None:
        raise gone()
    return shown.state


def _redact_state(opened: OpenShare, before: _Shown, news: Sequence[Recorded]) -> _Shown:
    """Fold on what is shown; an erasure is shown whatever version the link ends at."""
    state, ends_at = before.state, opened.share.up_to_version
    changed = {**before.changed, **_changes(news)}
    for recorded in news:
        if ends_at is None or recorded.version <= ends_at or _is_erasure(recorded):
            last_words = _with_last_words(recorded, changed)
            state = evolve(state, redacted(last_words, opened.share.parts))
    return _Shown(state, news[-1].head, changed)


def _changes(news: Sequence[Recorded]) -> dict[int, int]:
    """Return the versions at which instructions were edited or withdrawn last, by instruction."""
    return {
        recorded.event.instruction: recorded.version
        for recorded in news
        if isinstance(recorded.event, InstructionEdited | InstructionWithdrawn)
    }


def _with_last_words(recorded: Recorded, changed: Mapping[int, int]) -> Recorded:
    """Return what a person said without its words, where these were changed later."""
    event = recorded.event
    match event:
        case TaskInstructed():
            last = changed.get(recorded.version, 0)
        case InstructionEdited(instruction=instruction):
            last = changed.get(instruction, 0)
        case _:
            return recorded
    return (
        replace(recorded, event=replace(event, text=CHANGED))
        if last > recorded.version
        else recorded
    )


def _is_erasure(recorded: Recorded) -> bool:
    return isinstance(recorded.event, TaskErased)


def _redact_page(
    opened: OpenShare, found: Sequence[tuple[int, bytes]], changed: Mapping[int, int]
) -> tuple[list[bytes], int]:
    bodies: list[bytes] = []
    size, last = 0, 0
    for version, body in _redact_bodies(opened, found, changed):
        if bodies and size + len(body) > _MAX_PAGE_BYTES:
            break
        bodies.append(body)
        size, last = size + len(body), version
    return bodies, last or found[-1][0]


def _redact_bodies(
    opened: OpenShare, found: Sequence[tuple[int, bytes]], changed: Mapping[int, int]
) -> Iterator[tuple[int, bytes]]:
    for version, body in found:
        try:
            recorded = decode(opened.history, 0, body)
        except msgspec.DecodeError:
            continue  # no reader of the log takes it
        yield version, encoded(redacted(_with_last_words(recorded, changed), opened.share.parts))


def _away() -> Exception:
    return unavailable("The event log does not answer at the moment.")
