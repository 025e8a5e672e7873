"""Reading the log from outside: a selection of it, from a place or a time, as fast as told.

Callers: analysts and operators (infra.operator.analytics), with the read-only user. It publishes
nothing but requests, so a message that is no event is reported in this process's log lines and
left out; parking it is for the services, which follow through `JetStreamLog.follow`.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec

from events import AccountId, Recorded
from events.codec import tag_of
from infra.log.event_log import Unavailable
from infra.log.event_mac import Proofs
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import ApiError, MessageRequest
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.connection.waiting import wait_for_either
from infra.log.jetstream.read.decode import InvalidEvent, log_invalid_event, read_event
from infra.log.jetstream.read.follow import Scope, follow
from infra.runtime.telemetry import logger

_LOOK_SECONDS: Final = 1.0
_SECOND: Final = 1_000_000_000
_ESCAPE: Final = b"\\u"  # a string may be spelled with it

_log = logger(__name__)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The events to read: from where to where, and how fast.

    `after` is a sequence: the cursor of a reader that goes on; with it, `since` says nothing.
    `since` and a time as `up_to` are of the log's own clock, at storing; both are inclusive.
    Without `up_to` the reading goes on as events come. `types` are tags ("task.finished"); none
    means all. `speed` 1.0 keeps the events' own pace, 10.0 is ten times as fast, None does not
    wait.
    """

    after: int = 0
    since: datetime | None = None
    up_to: int | datetime | None = None
    types: frozenset[str] = frozenset()
    account: AccountId | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be meant."""
        for moment in (self.since, self.up_to):
            if isinstance(moment, datetime) and moment.tzinfo is None:
                raise ValueError(f"{moment} names no time zone; give an aware datetime.")
        if self.speed is not None and self.speed <= 0:
            raise ValueError(f"A speed of {self.speed} leads nowhere; 1.0 is the original pace.")

    @property
    def subject(self) -> str:
        """The subject these events stand on."""
        return f"events.{self.account or '*'}.*"


EVERYTHING: Final = Selection()


async def replay(
    connection: Connection,
    name: str,
    selection: Selection = EVERYTHING,
    *,
    until: asyncio.Event | None = None,
) -> AsyncGenerator[Sequence[Recorded], None]:
    """Yield the selected events in batches, oldest first, without gap or repeat.

    Ends at `up_to`, or when `until` is set. A batch holds 200 events at most; whatever the speed,
    2,000 are held at most. Raises Unavailable when the connection ends for good, ApiError
    when these credentials may not read the log.
    """
    until = until or asyncio.Event()
    end = _End(connection, selection)
    pace = _Pace(selection.speed)
    scope = Scope(
        subject=selection.subject if selection.account else "",
        since=None if selection.after else selection.since,
        yields_when_idle=True,
    )
    chosen = partial(_selected, selection, connection.keys)
    deliveries = follow(
        connection,
        name,
        after=selection.after,
        until=until,
        heartbeat_seconds=_LOOK_SECONDS,
        scope=scope,
    )
    async with aclosing(deliveries) as batches:
        async for batch in batches:
            events = [r for d in end.within(batch) if (r := chosen(d)) is not None]
            async for due in pace.of(events, until):
                yield due
            if until.is_set() or await end.is_reached(has_come=bool(batch)):
                return


def _selected(selection: Selection, proofs: Proofs, delivered: DeliveredMessage) -> Recorded | None:
    """Read a message; None when it is of another type, or no event."""
    if selection.types and not _may_be(selection.types, delivered.body):
        return None
    try:
        recorded = read_event(
            delivered.subject,
            delivered.sequence,
            delivered.body,
            headers=delivered.headers,
            proofs=proofs,
        )
    except InvalidEvent as error:
        log_invalid_event(delivered.subject, delivered.sequence, error)
        return None
    is_wanted = not selection.types or tag_of(recorded.event) in selection.types
    return recorded if is_wanted else None


def _may_be(types: frozenset[str], body: bytes) -> bool:
    """Return whether a body may be of one of the types, without decoding it.

    The header that names the type is its writer's word, and may hide what the body is.
    """
    return _ESCAPE in body or any(tag.encode() in body for tag in types)


class _End:
    """Knows when the last event of a selection has been given.

    The log must have come as far as `up_to`, and what the leader has last on the subject must have
    been delivered: then nothing of the selection is missing, whichever replica delivers.
    """

    def __init__(self, connection: Connection, selection: Selection) -> None:
        self._connection = connection
        self._up_to = selection.up_to
        self._since = None if selection.after else selection.since
        self._subject = selection.subject
        self._reached = selection.after
        self._last: int | None = None
        self._is_passed = False

    def within(self, batch: Sequence[DeliveredMessage]) -> Sequence[DeliveredMessage]:
        """Keep what is not beyond the end, and remember how far the reading came."""
        kept = [delivered for delivered in batch if not self._is_beyond(delivered)]
        self._is_passed = len(kept) < len(batch)
        if kept:
            self._reached = kept[-1].sequence
        return kept

    async def is_reached(self, *, has_come: bool) -> bool:
        """Return whether everything was read. The log is asked only when nothing more has come."""
        if self._up_to is None or self._is_passed:
            return self._is_passed
        if self._last is None and not has_come:
            self._last = await self._find_last()
        return self._last is not None and self._reached >= self._last

    def _is_beyond(self, delivered: DeliveredMessage) -> bool:
        match self._up_to:
            case None:
                return False
            case int(sequence):
                return delivered.sequence > sequence
            case moment:
                return delivered.stored_at > _nanoseconds(moment)

    async def _find_last(self) -> int | None:
        """Find the last sequence on the subject; None while the log has not come to `up_to`."""
        try:
            info = await api.stream_info(self._connection)
            is_there = (
                info.state.last_seq >= self._up_to
                if isinstance(self._up_to, int)
                else self._up_to is not None and info.ts > self._up_to
            )
            if not is_there:
                return None
            return await self._last_on_subject()
        except (Unavailable, ApiError) as error:
            if isinstance(error, ApiError) and not error.is_transient:
                raise
            self._connection.require_open()
            return None  # asked again with the next idle moment

    async def _last_on_subject(self) -> int:
        """Ask the leader for the last sequence on the subject; 0 when it is before `since`."""
        wanted = MessageRequest(last_by_subj=self._subject)
        last = await api.get_message(self._connection, wanted)
        if last is None:
            return 0
        is_before = self._since is not None and _stored_at(last.time) < _nanoseconds(self._since)
        return 0 if is_before else last.seq


class _Pace:
    """Lets each event wait until it is due: at its own pace, divided by the speed."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._first: datetime | None = None
        self._began = 0.0

    async def of(
        self, events: Sequence[Recorded], until: asyncio.Event
    ) -> AsyncGenerator[Sequence[Recorded], None]:
        """Yield what is due together, when it is; all at once without a speed."""
        if self._speed is None:
            if events:
                yield events
            return
        never = asyncio.Event()
        for recorded in events:
            if (delay := self._delay(recorded.at, self._speed)) > 0:
                await wait_for_either(never, until, seconds=delay)
            if until.is_set():
                return
            yield [recorded]

    def _delay(self, at: datetime, speed: float) -> float:
        now = asyncio.get_running_loop().time()
        if self._first is None:
            self._first, self._began = at, now
        return self._began + (at - self._first).total_seconds() / speed - now


def _nanoseconds(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds * 1000


def _stored_at(time: str) -> int:
    """Read the server's time, UTC with up to nine decimals, as nanoseconds since 1970."""
    seconds, _, decimals = time.removesuffix("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return _nanoseconds(whole) + int(decimals.ljust(9, "0") or 0)
