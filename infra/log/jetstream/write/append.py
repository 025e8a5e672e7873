"""Append of events to the log: the messages, one publish or one atomic batch, and the answer.

Source: ADR-50 of nats-architecture-and-design for the batch. Shared by the log of the
services (`log`) and that of one attempt (`attempt_log`), which differ in how they look whether an
append whose answer was lost is in the history.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

from events import Draft, EventId, Head, History, event_subject
from events.codec import AnyEvent, Unwritable, encode, schema_of, tag_of
from infra.log.event_log import Conflict, Refused, Unavailable
from infra.log.event_mac import HEADER, EventKeys, writer_of
from infra.log.jetstream.connection.api import (
    MAX_EVENTS_PER_TASK,
    MAX_MESSAGE_BYTES,
    STREAM,
    PublishAnswer,
    decode_publish_answer,
)
from infra.log.jetstream.connection.connection import Connection
from infra.runtime.telemetry import inject

MAX_BATCH: Final = 1000

_TRY_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.25
_WRONG_LAST: Final = (10071, 10164)
_SEEN_IN_BATCH: Final = 10201
_STORE_FAILED: Final = 10077
_TRANSIENT: Final = (10158, 10176, 10210, 10211)
_UNAVAILABLE: Final = 503
_LAST = re.compile(r"wrong last sequence: (\d+)")
_HEADER_ROOM: Final = 1024
_NO_SEQUENCE: Final = 2**63 - 1


class Message(NamedTuple):
    """One event as it is published."""

    body: bytes
    headers: dict[str, str]


class EventMark(NamedTuple):
    """An event found in the history, by its id."""

    id: EventId
    sequence: int


class Contended(Unavailable):
    """The log answers, but others write into this one history faster than it can be appended to."""


class HistoryGrowth(NamedTuple):
    """The events of a history after some sequence, and the place of its last message."""

    marks: Sequence[EventMark]
    sequence: int


ReadGrowth = Callable[[int, int | None, float], Awaitable[HistoryGrowth]]
"""Looks what stands after a sequence: `look(after, last, within_seconds)`. `last` is the history's
last sequence where the server told it. Raises Unavailable."""


class _Doubt(NamedTuple):
    """The log holds something we did not expect, perhaps our own. `last` is its last sequence."""

    last: int | None


async def last_sequence(connection: Connection, history: History, *, within_seconds: float) -> int:
    """Ask for the last sequence of a history, 0 when it is empty. Raises Unavailable.

    For a worker, who may ask nothing of the API: it says something that is refused for its place,
    and the refusal names the place. Nothing is stored.
    """
    headers = {
        "Nats-Expected-Stream": STREAM,
        "Nats-Expected-Last-Subject-Sequence": str(_NO_SEQUENCE),
    }
    answer = await connection.request(
        event_subject(history), b"", headers=headers, within_seconds=within_seconds
    )
    match _outcome(decode_publish_answer(answer.data)):
        case _Doubt(int(last)):
            return last
        case _:
            raise Unavailable("the log is busy with this history")


def encode_messages(
    history: History, drafts: Sequence[Draft[AnyEvent]], after: Head, *, keys: EventKeys
) -> list[Message]:
    """Return drafts as messages with the versions that follow `after`, signed.

    Raises ValueError when there are too many for one append, or one is too long, NoKey.
    """
    if len(drafts) > MAX_BATCH:
        raise ValueError(f"{len(drafts)} events in one append; the most is {MAX_BATCH}. Split it.")
    trace: dict[str, str] = {}
    inject(trace)
    messages = []
    for version, draft in enumerate(drafts, after.version + 1):
        message = _encode_message(history, version, draft, trace)
        if writer := writer_of(draft.event):
            message.headers[HEADER] = keys.sign(
                writer, event_subject(history), version, message.body
            )
        messages.append(message)
    return messages


def _encode_message(
    history: History, version: int, draft: Draft[AnyEvent], trace: Mapping[str, str]
) -> Message:
    body = encode(history, version, draft)
    tag = tag_of(draft.event)
    if len(body) > MAX_MESSAGE_BYTES - _HEADER_ROOM:
        raise Unwritable(
            f"{tag} is {len(body)} bytes long; the most is {MAX_MESSAGE_BYTES - _HEADER_ROOM}. Put "
            "the long part into the object store and let the event carry its key."
        )
    headers = {
        "Nats-Msg-Id": draft.id,
        "Nats-Expected-Stream": STREAM,
        "Errand-Type": tag,
        "Errand-Version": str(version),
        "Errand-Schema": str(schema_of(draft.event)),
        **trace,
    }
    return Message(body, headers)


class Appender:
    """Appends to one history until it knows the outcome, or the time is up."""

    def __init__(
        self,
        connection: Connection,
        history: History,
        look: ReadGrowth,
        *,
        deadline_seconds: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._connection = connection
        self._subject = event_subject(history)
        self._history = history
        self._look = look
        self._deadline_seconds = deadline_seconds
        self._jitter = jitter

    async def append(self, drafts: Sequence[Draft[AnyEvent]], after: Head) -> Head:
        """Append all drafts after `after`, once.

        Raises Conflict, Unavailable (Contended when only this history is in the way), Refused.
        """
        if not drafts:
            return after
        messages = encode_messages(self._history, drafts, after, keys=self._connection.keys)
        version = after.version + len(drafts)
        expected = after.sequence
        reason, failure = "no answer", Unavailable
        deadline = self._now() + self._deadline_seconds
        while (left := deadline - self._now()) > 0:
            try:
                outcome = await self._publish(messages, expected, min(left, _TRY_SECONDS))
                if isinstance(outcome, int):
                    return Head(version, outcome)
                growth = await self._look(after.sequence, outcome.last, deadline - self._now())
            except Unavailable as error:
                self._connection.require_open()
                reason, failure = str(error), Unavailable
                await self._pause()
                continue
            if growth.marks:
                return Head(version, _own(growth.marks, drafts))
            if growth.sequence == expected:
                reason, failure = "the log answers that it holds what it does not show", Unavailable
                await self._pause()
            else:
                reason, failure = "messages that are not events keep coming in first", Contended
            expected = growth.sequence  # what stands there is no event: append behind it
        raise failure(f"Not appended to {self._subject} in time: {reason}")

    async def _publish(
        self, messages: Sequence[Message], expected: int, within_seconds: float
    ) -> int | _Doubt:
        """Publish once; return the sequence of the last message. Raises Unavailable, Refused."""
        *staged, final = self._guarded(messages, expected)
        for message in staged:
            await self._connection.publish(self._subject, message.body, headers=message.headers)
        answer = await self._connection.request(
            self._subject, final.body, headers=final.headers, within_seconds=within_seconds
        )
        return _outcome(decode_publish_answer(answer.data))

    def _guarded(self, messages: Sequence[Message], expected: int) -> list[Message]:
        """Bind the first message to the expected head, and several to one atomic batch."""
        guard = {"Nats-Expected-Last-Subject-Sequence": str(expected)}
        if len(messages) == 1:
            [(body, headers)] = messages
            return [Message(body, headers | guard)]
        batch = self._connection.client.new_inbox().rsplit(".", 1)[-1]
        guarded = [
            Message(body, headers | {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(place)})
            for place, (body, headers) in enumerate(messages, 1)
        ]
        guarded[0].headers.update(guard)
        guarded[-1].headers["Nats-Batch-Commit"] = "1"
        return guarded

    async def _pause(self) -> None:
        await asyncio.sleep(_PAUSE_SECONDS * self._jitter())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _outcome(ack: PublishAnswer) -> int | _Doubt:
    error = ack.error
    if error is None:
        return _Doubt(None) if ack.duplicate else ack.seq
    if error.err_code in _WRONG_LAST:
        found = _LAST.search(error.description)
        return _Doubt(int(found[1]) if found else None)
    if error.err_code == _SEEN_IN_BATCH:
        return _Doubt(None)
    if error.err_code == _STORE_FAILED and "per subject" in error.description:
        raise Refused(
            f"This task's history is full: {MAX_EVENTS_PER_TASK} events. Submit a new task."
        )
    if error.code == _UNAVAILABLE or error.err_code in _TRANSIENT:
        raise Unavailable(f"{error.description} (JetStream error {error.err_code})")
    raise Refused(f"{error.description} (JetStream error {error.err_code})")


def _own(marks: Sequence[EventMark], drafts: Sequence[Draft[AnyEvent]]) -> int:
    """Find the sequence of the last draft, if the first event after the head is the first draft."""
    ours = [draft.id for draft in drafts]
    if [mark.id for mark in marks[: len(ours)]] != ours:
        raise Conflict("The history has grown since it was read. Read it again and decide again.")
    return marks[len(ours) - 1].sequence
