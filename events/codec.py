"""Bytes to events and back. The bytes stored are the bytes a phone receives.

Any bytes can stand in the log, so `decode` is total: whatever is no event within its limits
(events.limits) raises `msgspec.DecodeError` and nothing else. `encode` writes nothing that `decode`
would refuse.
"""

import re
from typing import Annotated, Final, get_args

import msgspec
from msgspec import UNSET

from events.gateway import GatewayEvent
from events.ids import EventId, TaskId
from events.limits import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_COUNT,
    MAX_DEPTH,
    Moment,
    Name,
    Number,
    is_too_deep,
    moments_of,
    require_moments,
)
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
    version: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)]
    at: Moment
    by: Name
    cause: Name
    schema: Number = 1


class _Stored(Envelope, frozen=True, kw_only=True):
    """A stored event without what its fact says.

    `t` is what tells a stream frame's kind: an event that had it would be taken for another frame.
    """

    type: str = ""
    t: msgspec.Raw | msgspec.UnsetType = UNSET


class Unwritable(ValueError):
    """A draft that readers would refuse as no event. The text says what is wrong with it."""


_HAS_MOMENTS: Final = frozenset(kind for kind in get_args(AnyEvent) if moments_of(kind))
_encoder = msgspec.json.Encoder(order="deterministic")
_events: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_stored = msgspec.json.Decoder(_Stored)
_is_id: Final = re.compile(r"[a-z0-9_]{1,64}").fullmatch


def encode(
    history: History, version: int, draft: Draft[AnyEvent], *, upcasters: Upcasters = UPCASTERS
) -> bytes:
    """Return a draft at its place as bytes: one JSON object, the envelope's fields and the fact's.

    Raises Unwritable on what readers would refuse.
    """
    envelope = Envelope(
        id=draft.id,
        task=history.task,
        version=version,
        at=draft.at,
        by=draft.by,
        cause=draft.cause,
        schema=newest_schema(tag_of(draft.event), upcasters),
    )
    try:
        body = _encoder.encode(envelope)[:-1] + b"," + _encoder.encode(draft.event)[1:]
        decode(history, 0, body, upcasters=upcasters)
    except (msgspec.MsgspecError, UnicodeEncodeError, OverflowError, RecursionError) as error:
        raise Unwritable(f"{tag_of(draft.event)} cannot be stored: {error}") from error
    return body


def decode(
    history: History, sequence: int, body: bytes, *, upcasters: Upcasters = UPCASTERS
) -> Recorded:
    """Return a stored event, of whatever schema version; `body` stays as it is stored.

    Raises `msgspec.DecodeError` on what is no JSON, and `msgspec.ValidationError`, which is one, on
    an unknown tag, a wrong shape, a value outside its limits, another task's name, or a schema
    version that this edition does not know yet. Never anything else, whatever the bytes.
    """
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and is_too_deep(body):
        raise msgspec.ValidationError(f"it is nested more than {MAX_DEPTH} deep")
    try:
        if not body.isascii():
            body.decode()  # fields nobody knows yet are passed over, and still reach phones
        stored = _stored.decode(body)
        if stored.task != history.task or not _is_id(stored.id) or stored.t is not UNSET:
            raise msgspec.ValidationError(_fault(history, stored))
        if not FIRST_YEAR <= stored.at.year <= LAST_YEAR:
            raise msgspec.ValidationError(f"it is dated {stored.at.isoformat()} - at `$.at`")
        if stored.schema == 1 and stored.type not in upcasters:
            fact = _events.decode(body)
        else:
            fact = _upcast(stored, body, upcasters)
        if type(fact) in _HAS_MOMENTS:
            require_moments(fact)
    except msgspec.DecodeError:
        raise
    except (RecursionError, OverflowError, ValueError) as error:
        raise msgspec.DecodeError(f"{type(error).__name__}: {error}") from error
    return Recorded(
        account=history.account,
        task=history.task,
        id=stored.id,
        version=stored.version,
        sequence=sequence,
        at=stored.at,
        by=stored.by,
        cause=stored.cause,
        event=fact,
        body=body,
    )


def _fault(history: History, stored: _Stored) -> str:
    if stored.task != history.task:
        return f"it names the task {stored.task[:80]}"
    if stored.t is not UNSET:
        return "a field that frames of the stream have - at `$.t`"
    return "an id is of 1 to 64 letters a-z, digits and _ - at `$.id`"


def _upcast(stored: _Stored, body: bytes, upcasters: Upcasters) -> AnyEvent:
    """Return the fact of an event whose shape has been retired once or more."""
    try:
        fields = upcast(msgspec.json.decode(body), stored.type, stored.schema, upcasters)
    except Unreadable as error:
        raise msgspec.ValidationError(str(error)) from error
    except (LookupError, TypeError, AttributeError) as error:
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
