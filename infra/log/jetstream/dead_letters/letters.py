"""The dead letters: what a reader could not read, parked with the reason; and what became of it.

A letter stands on `dead.<reader>`: the message's body as it stood in the log, its place and the
reason in headers. A reader that starts again may park a message again (the server tells a repeat
for two minutes only), so letters differ by reader and sequence of the event, and shown
once. Settling a letter deletes its copies and leaves a note of the same place, so that a repeat
stays settled. Callers: JetStreamLog.follow parks; `errand deadletters` looks and settles.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec
from prometheus_client import Counter

from infra.log.event_log import Unavailable
from infra.log.event_mac import HEADER, Mac, read_mac
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import (
    DEAD_LETTERS,
    MAX_MESSAGE_BYTES,
    ApiError,
    ApiMessage,
    MessageRequest,
)
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.log.jetstream.connection.connection import Connection
from infra.runtime.telemetry import logger

Settlement = Literal["dropped", "reads", "skipped"]

QUARANTINED: Final = "quarantined: "
"""The beginning of a letter's reason when it is about a task, not about one message alone."""

_DEAD: Final = "dead"
_ANSWER_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 0.25
_REASON_CHARACTERS: Final = 500

_log = logger(__name__)
_quarantined = Counter(
    "errand_tasks_quarantined", "Tasks whose history a reader could not fold.", ["reader"]
)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A parked message. `number` is its place among the dead letters, the first if repeated.

    `sequence` is the event's place in the log, `subject` where it stood. `copies` are the places of
    all messages of the same reader and sequence, the note that settles them among these. `mac` is
    the event's `Errand-Mac`, empty when it had none or more than one.
    """

    number: int
    reader: str
    sequence: int
    subject: str
    reason: str
    at: datetime
    body: bytes
    copies: tuple[int, ...]
    is_settled: bool = False
    mac: str = ""

    @property
    def is_of_a_task(self) -> bool:
        """True when the event can be read, but its history could not be folded beyond it."""
        return self.reason.startswith(QUARANTINED)


class _Advisory(msgspec.Struct, frozen=True):
    """$JS.EVENT.ADVISORY.CONSUMER.*: a consumer gave a message up (ADR-4, jetstream advisories)."""

    consumer: str = ""
    stream_seq: int = 0
    deliveries: int = 0
    reason: str = ""


class EventPlace(NamedTuple):
    """The place of an event: its subject and its sequence in the log."""

    subject: str
    sequence: int


class _Place(NamedTuple):
    reader: str
    sequence: int


async def park_message(
    connection: Connection,
    reader: str,
    delivered: DeliveredMessage,
    *,
    reason: str,
    deadline_seconds: float,
) -> None:
    """Store what a reader cannot read, with its place and the reason. Raises Unavailable.

    What is longer than an event may be is cut to that length: the whole stands in the log.
    """
    _log.error(
        "dead_letter.parked",
        follower=reader,
        subject=delivered.subject,
        sequence=delivered.sequence,
        reason=reason,
    )
    await _store(connection, reader, delivered, reason=reason, deadline_seconds=deadline_seconds)


async def _store(
    connection: Connection,
    reader: str,
    delivered: DeliveredMessage,
    *,
    reason: str,
    deadline_seconds: float,
) -> None:
    body = delivered.body[:MAX_MESSAGE_BYTES]
    headers = {
        "Nats-Msg-Id": f"{reader}/{delivered.sequence}",
        "Errand-Reason": " ".join(reason.split())[:_REASON_CHARACTERS],
        "Errand-Subject": delivered.subject,
        "Errand-Sequence": str(delivered.sequence),
    }
    if isinstance(mac := read_mac(delivered.headers), Mac):
        headers[HEADER] = mac.text
    deadline = asyncio.get_running_loop().time() + deadline_seconds
    while not await _is_stored(connection, reader, body, headers):
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable(
                f"The dead letters took nothing; {reader} cannot go on past {delivered.sequence}."
            )
        await asyncio.sleep(_RETRY_SECONDS)


async def park_task(
    connection: Connection, reader: str, place: EventPlace, *, reason: str, deadline_seconds: float
) -> None:
    """Store that a reader cannot fold a history beyond an event. Never raises.

    The event itself stands in the log; the letter names its place and what broke.
    """
    _quarantined.labels(reader=reader).inc()
    _log.error(
        "task.quarantined",
        reader=reader,
        subject=place.subject,
        sequence=place.sequence,
        reason=reason,
    )
    delivered = DeliveredMessage(place.subject, b"", place.sequence, 0, 0, b"")
    try:
        await _store(
            connection,
            reader,
            delivered,
            reason=f"{QUARANTINED}{reason}",
            deadline_seconds=deadline_seconds,
        )
    except Unavailable as error:
        _log.warning("task.not_parked", reader=reader, subject=place.subject, reason=str(error))


async def open_dead_letters(connection: Connection) -> Sequence[DeadLetter]:
    """Return the letters that nobody has settled, oldest first. Raises Unavailable, ApiError."""
    return [letter for letter in await _all(connection) if not letter.is_settled]


async def dead_letters_of(connection: Connection, subject: str) -> Sequence[DeadLetter]:
    """Return the letters of one subject, settled or not. Raises Unavailable, ApiError."""
    return [letter for letter in await _all(connection) if letter.subject == subject]


async def _all(connection: Connection) -> Sequence[DeadLetter]:
    found: dict[_Place, list[ApiMessage]] = {}
    async for message in _messages(connection):
        found.setdefault(_place(message, _headers(message.headers)), []).append(message)
    return [_letter(place, copies) for place, copies in found.items()]


async def settle(connection: Connection, letter: DeadLetter, how: Settlement) -> None:
    """Delete a letter, all copies of it, and note that it is settled. Raises Unavailable, ApiError.

    The server overwrites what it deletes.
    """
    headers = {
        "Nats-Msg-Id": f"{letter.reader}/{letter.sequence}/{how}",
        "Errand-Reason": f"settled: {how}",
        "Errand-Subject": letter.subject,
        "Errand-Sequence": str(letter.sequence),
        "Errand-Settled": how,
    }
    if not await _is_stored(connection, letter.reader, b"", headers):
        raise Unavailable("The dead letters took nothing. Nothing was settled; try again.")
    await forget(connection, letter)


async def forget(connection: Connection, letter: DeadLetter) -> None:
    """Delete a letter, all copies of it, without a note. Raises Unavailable, ApiError."""
    for number in letter.copies:
        await api.delete_message(connection, DEAD_LETTERS, number)


async def _is_stored(
    connection: Connection, reader: str, body: bytes, headers: Mapping[str, str]
) -> bool:
    try:
        answer = await connection.request(
            f"{_DEAD}.{reader}", body, headers=headers, within_seconds=_ANSWER_SECONDS
        )
    except Unavailable as reason:
        _log.warning("dead_letter.not_stored", reader=reader, reason=str(reason))
        return False
    return api.decode_publish_answer(answer.data).error is None


async def _messages(connection: Connection) -> AsyncIterator[ApiMessage]:
    """Read the stream of dead letters; they are few, so one by one."""
    after = 0
    while True:
        wanted = MessageRequest(seq=after + 1, next_by_subj=">")
        try:
            message = await api.get_message(connection, wanted, stream=DEAD_LETTERS)
        except ApiError as refusal:
            if refusal.is_transient:
                raise Unavailable(str(refusal)) from refusal
            raise
        if message is None:
            return
        yield message
        after = message.seq


def _place(message: ApiMessage, headers: Mapping[str, str]) -> _Place:
    kind, _, reader = message.subject.partition(".")
    if kind == _DEAD:
        return _Place(reader, int(headers.get("Errand-Sequence", "0")))
    advisory = _advisory(message)
    return _Place(advisory.consumer, advisory.stream_seq)


def _letter(place: _Place, copies: Sequence[ApiMessage]) -> DeadLetter:
    oldest = copies[0]
    headers = _headers(oldest.headers)
    return DeadLetter(
        number=oldest.seq,
        reader=place.reader,
        sequence=place.sequence,
        subject=headers.get("Errand-Subject", ""),
        reason=headers.get("Errand-Reason") or _given_up(oldest),
        at=oldest.stored_at,
        body=oldest.body if oldest.subject.startswith(f"{_DEAD}.") else b"",
        copies=tuple(copy.seq for copy in copies),
        mac=headers.get(HEADER, ""),
        is_settled=any("Errand-Settled" in _headers(copy.headers) for copy in copies),
    )


def _given_up(message: ApiMessage) -> str:
    advisory = _advisory(message)
    return advisory.reason or f"given up after {advisory.deliveries} deliveries"


def _advisory(message: ApiMessage) -> _Advisory:
    try:
        return msgspec.json.decode(message.body, type=_Advisory)
    except msgspec.DecodeError:
        return _Advisory(reason="no advisory that this edition knows")


def _headers(raw: bytes) -> dict[str, str]:
    """Return the headers of a raw block: `NATS/1.0` and lines."""
    lines = raw.decode(errors="replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, found, value in pairs if found}
