"""Filling an empty log again, each message at the sequence it had.

Sequences are kept because the archive, exports and the cursors of readers count in them. Where a
sequence is missing, erased, a placeholder is put and taken out again at the end; services must not
run meanwhile. The time of storing is new, and so are the headers, which are made again from the
body, but for the MAC, which is kept. Caller: `errand restore`. Source of the batches: ADR-50.
"""

from typing import Final, NamedTuple

import msgspec

from events.codec import tag_of
from infra.log.event_log import Unavailable
from infra.log.event_mac import HEADER, header_block
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import MAX_EVENTS_PER_TASK, STREAM
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.read.decode import ForgedEvent, InvalidEvent, read_event

_BATCH: Final = 500
_BATCH_BYTES: Final = 4 * 1024 * 1024
_ANSWER_SECONDS: Final = 30.0
_GAP: Final = "events.gap"
_PLACEHOLDERS_PER_SUBJECT: Final = MAX_EVENTS_PER_TASK // 2


class LogNotEmpty(Exception):
    """The log holds something already, or held it. The text says what to do."""


class ImportFailed(Exception):
    """The log did not take a message at its sequence. The text says why."""


class _Shape(msgspec.Struct, frozen=True):
    schema: int = 1


class _Waiting(NamedTuple):
    """A message that is not stored yet."""

    subject: str
    body: bytes
    mac: str


_schemas = msgspec.json.Decoder(_Shape)


async def require_empty(connection: Connection) -> None:
    """Raise NotEmpty unless nothing was ever stored in the log."""
    last = await _last(connection)
    if last:
        raise LogNotEmpty(
            f"The log is not empty: it has come to sequence {last}. Only an empty one is filled: "
            "start NATS on an empty store directory, run `python -m infra.log.jetstream`, and "
            "restore again."
        )


class LogImport:
    """Appends stored messages at their old sequences; `put` in order, then `finish`.

    `unproven` counts what claims to be the control plane's and is not, by the keys at hand.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._stored = 0
        self.unproven = 0

    @property
    def _next(self) -> int:
        return self._stored + len(self._waiting) + 1

    async def put(self, subject: str, sequence: int, body: bytes, *, mac: str = "") -> None:
        """Store a message at its sequence, with its MAC. Raises ImportFailed, Unavailable."""
        await self._fill(sequence)
        await self._add(_Waiting(subject, body, mac))

    async def finish(self, up_to: int) -> None:
        """Bring the log to the sequence `up_to` and take the placeholders out again."""
        await self._fill(up_to + 1)
        await self._flush()
        await api.purge_subject(self._connection, f"{_GAP}.*", within_seconds=_ANSWER_SECONDS)

    async def _fill(self, sequence: int) -> None:
        while self._next < sequence:
            await self._add(_Waiting(f"{_GAP}.{self._next // _PLACEHOLDERS_PER_SUBJECT}", b"", ""))

    async def _add(self, message: "_Waiting") -> None:
        self._waiting.append(message)
        self._waiting_bytes += len(message.body)
        if len(self._waiting) >= _BATCH or self._waiting_bytes >= _BATCH_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        """Store what waits: all of it, at the sequences meant, or none."""
        if not self._waiting:
            return
        wanted = self._next - 1
        try:
            reached, reason = await self._publish(), ""
        except Unavailable as lost:  # the answer, perhaps, and not the batch
            reached, reason = await _last(self._connection), str(lost)
        if reached != wanted:
            raise ImportFailed(
                f"The log is at sequence {reached} and not at {wanted}. {reason or 'Who writes?'} "
                "Stop every service, begin with an empty store directory and restore again."
            )
        self._stored = wanted
        self._waiting.clear()
        self._waiting_bytes = 0

    async def _publish(self) -> int:
        batch = self._connection.client.new_inbox().rsplit(".", 1)[-1]
        *staged, final = [
            (waiting.subject, waiting.body, self._headers(place, waiting))
            for place, waiting in enumerate(self._waiting, 1)
        ]
        for place, (subject, body, headers) in enumerate(staged, 1):
            marks = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(place)}
            await self._connection.publish(subject, body, headers=headers | marks)
        subject, body, headers = final
        if staged:
            headers |= {
                "Nats-Batch-Id": batch,
                "Nats-Batch-Sequence": str(len(self._waiting)),
                "Nats-Batch-Commit": "1",
            }
        answer = await self._connection.request(
            subject, body, headers=headers, within_seconds=_ANSWER_SECONDS
        )
        ack = api.decode_publish_answer(answer.data)
        if ack.error is not None:
            raise ImportFailed(f"The log refused a message: {ack.error.description}.")
        return ack.seq

    def _headers(self, place: int, message: "_Waiting") -> dict[str, str]:
        sequence = self._stored + place
        kept = {HEADER: message.mac} if message.mac else {}
        headers = kept | {"Nats-Msg-Id": f"restored/{sequence}", "Nats-Expected-Stream": STREAM}
        if place == 1:
            headers["Nats-Expected-Last-Sequence"] = str(self._stored)
        try:
            recorded = read_event(
                message.subject,
                sequence,
                message.body,
                headers=header_block(message.mac),
                proofs=self._connection.keys,
            )
        except InvalidEvent as error:  # it was none before either
            self.unproven += isinstance(error, ForgedEvent)
            return headers
        return headers | {
            "Errand-Type": tag_of(recorded.event),
            "Errand-Version": str(recorded.version),
            "Errand-Schema": str(_schemas.decode(message.body).schema),
        }


async def _last(connection: Connection) -> int:
    return (await api.stream_info(connection)).state.last_seq
