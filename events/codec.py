"""Bytes to events and back. The bytes stored are the bytes a phone receives."""

from datetime import datetime

import msgspec

from events.gateway import GatewayEvent
from events.ids import EventId, TaskId
from events.operator import OperatorEvent
from events.record import Draft, History, Recorded
from events.scheduler import SchedulerEvent
from events.upcast import UPCASTERS, Unreadable, Upcasters, newest_schema, upcast
from events.worker import WorkerEvent

AnyEvent = GatewayEvent | SchedulerEvent | WorkerEvent | OperatorEvent


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fields around a fact, in the order they are stored.

    `schema` is the version of the fact's shape (events.upcast); the first, 1, is left out.
    """

    id: EventId
    task: TaskId
    version: int
    at: datetime
    by: str
    cause: str
    schema: int = 1


class _Stored(Envelope, frozen=True, kw_only=True):
    """A stored event without what its fact says."""

    type: str = ""


_encoder = msgspec.json.Encoder(order="deterministic")
_events: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_stored = msgspec.json.Decoder(_Stored)


def encode(
    history: History, version: int, draft: Draft[AnyEvent], *, upcasters: Upcasters = UPCASTERS
) -> bytes:
    """Spell a draft at its place: one JSON object, the envelope's fields and then the fact's."""
    envelope = Envelope(
        id=draft.id,
        task=history.task,
        version=version,
        at=draft.at,
        by=draft.by,
        cause=draft.cause,
        schema=newest_schema(tag_of(draft.event), upcasters),
    )
    return _encoder.encode(envelope)[:-1] + b"," + _encoder.encode(draft.event)[1:]


def decode(
    history: History, sequence: int, body: bytes, *, upcasters: Upcasters = UPCASTERS
) -> Recorded:
    """Read a stored event, of whatever schema version; `body` stays as it is stored.

    Raises `msgspec.ValidationError` on an unknown tag, a wrong shape, another task's name, or a
    schema version that this edition does not know yet.
    """
    stored = _stored.decode(body)
    if stored.task != history.task:
        raise msgspec.ValidationError(f"it names the task {stored.task}")
    return Recorded(
        account=history.account,
        task=history.task,
        id=stored.id,
        version=stored.version,
        sequence=sequence,
        at=stored.at,
        by=stored.by,
        cause=stored.cause,
        event=_fact(stored, body, upcasters),
        body=body,
    )


def _fact(stored: _Stored, body: bytes, upcasters: Upcasters) -> AnyEvent:
    if stored.schema == newest_schema(stored.type, upcasters):
        return _events.decode(body)
    try:
        fields = upcast(msgspec.json.decode(body), stored.type, stored.schema, upcasters)
    except Unreadable as error:
        raise msgspec.ValidationError(str(error)) from error
    except (KeyError, TypeError) as error:
        raise msgspec.ValidationError(
            f"{stored.type} is not of the shape that its schema {stored.schema} had: {error!r}"
        ) from error
    return _events.decode(_encoder.encode(fields))


def tag_of(event: AnyEvent) -> str:
    """Tell an event's tag, its name in storage."""
    tag = event.__struct_config__.tag
    if not isinstance(tag, str):  # pragma: no cover - every Fact is declared with a tag
        raise TypeError(f"{type(event).__name__} has no tag")
    return tag


def schema_of(event: AnyEvent) -> int:
    """Tell the schema version in which an event is stored today, 1 until a shape was retired."""
    return newest_schema(tag_of(event))
