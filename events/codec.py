"""Bytes to events and back. The bytes stored are the bytes a phone receives.

Any bytes can stand in the log, so `decode` is total: whatever is no event within its limits
(events.limits) raises `msgspec.DecodeError` and nothing else. `encode` writes nothing that `decode`
would refuse.
"""

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
    """A stored event without the fields of its fact.

    `t` is the kind of a stream frame: an event that had it would be taken for another frame.
    """

    type: str = ""
    t: msgspec.Raw | msgspec.UnsetType = UNSET


class Unwritable(ValueError):
    """Raised for a draft that readers would refuse; the text says what is wrong with it."""


_HAS_MOMENTS: Final = frozenset(kind for kind in get_args(AnyEvent) if moments_of(kind))
_encoder = msgspec.json.Encoder(order="deterministic")
_events: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_stored = msgspec.json.Decoder(_Stored)
_MAX_ID_CHARACTERS: Final = 64
_ID_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789_"
_SHALLOW_BYTES: Final = 2 * MAX_DEPTH  # too short to hold more brackets, opened and closed


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
        place, fact = _encoder.encode(envelope), _encoder.encode(draft.event)
        body = place[:-1] + b"," + fact[1:]
        _require_shallow(body)
        _require_place(history, _stored.decode(place))
        require_moments(_events.decode(fact))
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
    if len(body) > _SHALLOW_BYTES and body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _require_shallow(body)
    try:
        if not body.isascii():
            body.decode()  # fields nobody knows yet are passed over, and still reach phones
        stored = _stored.decode(body)
        _require_place(history, stored)
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


def _require_shallow(body: bytes) -> None:
    if is_too_deep(body):
        raise msgspec.ValidationError(f"it is nested more than {MAX_DEPTH} deep")


def _require_place(history: History, stored: _Stored) -> None:
    """Raise `msgspec.ValidationError` when an envelope is not one of this history's."""
    name = stored.id
    if stored.task != history.task:
        raise msgspec.ValidationError(f"it names the task {stored.task[:80]}")
    if stored.t is not UNSET:
        raise msgspec.ValidationError("a field that frames of the stream have - at `$.t`")
    if not 0 < len(name) <= _MAX_ID_CHARACTERS or name.strip(
        _ID_CHARACTERS
    ):  # a third of a regex's time
        raise msgspec.ValidationError("an id is of 1 to 64 letters a-z, digits and _ - at `$.id`")
    if not FIRST_YEAR <= stored.at.year <= LAST_YEAR:
        raise msgspec.ValidationError(f"it is dated {stored.at.isoformat()} - at `$.at`")


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
    """Return an event's tag, its name in storage."""
    tag = event.__struct_config__.tag
    if not isinstance(tag, str):  # pragma: no cover - every Fact is declared with a tag
        raise TypeError(f"{type(event).__name__} has no tag")
    return tag


def schema_of(event: AnyEvent) -> int:
    """Return the schema version in which an event is stored today, 1 until a shape was retired."""
    return newest_schema(tag_of(event))
