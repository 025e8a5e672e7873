"""Bytes to events and back. The bytes stored are the bytes a phone receives."""

from datetime import datetime

import msgspec

from events.gateway import GatewayEvent
from events.ids import EventId, TaskId
from events.operator import OperatorEvent
from events.record import Draft, History, Recorded
from events.scheduler import SchedulerEvent
from events.worker import WorkerEvent

AnyEvent = GatewayEvent | SchedulerEvent | WorkerEvent | OperatorEvent

SCHEMA = "1"


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The fields around a fact, in the order they are stored."""

    id: EventId
    task: TaskId
    version: int
    at: datetime
    by: str
    cause: str


_encoder = msgspec.json.Encoder(order="deterministic")
_events: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_envelopes = msgspec.json.Decoder(_Envelope)


def encode(history: History, version: int, draft: Draft[AnyEvent]) -> bytes:
    """Spell a draft at its place: one JSON object, the envelope's fields and then the fact's."""
    envelope = _Envelope(
        id=draft.id,
        task=history.task,
        version=version,
        at=draft.at,
        by=draft.by,
        cause=draft.cause,
    )
    return _encoder.encode(envelope)[:-1] + b"," + _encoder.encode(draft.event)[1:]


def decode(history: History, sequence: int, body: bytes) -> Recorded:
    """Read a stored event. Raises `msgspec.ValidationError` on an unknown tag or a wrong shape."""
    envelope = _envelopes.decode(body)
    return Recorded(
        account=history.account,
        task=envelope.task,
        id=envelope.id,
        version=envelope.version,
        sequence=sequence,
        at=envelope.at,
        by=envelope.by,
        cause=envelope.cause,
        event=_events.decode(body),
        body=body,
    )


def tag_of(event: AnyEvent) -> str:
    """Tell an event's tag, its name in storage."""
    tag = event.__struct_config__.tag
    if not isinstance(tag, str):  # pragma: no cover - every Fact is declared with a tag
        raise TypeError(f"{type(event).__name__} has no tag")
    return tag
