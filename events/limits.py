"""The limits of events, which every reader checks while it decodes. Pure.

A worker writes its own facts, so any bytes can stand in the log. What is outside these limits is no
event: readers park it as a dead letter, and `events.codec.encode` refuses to write it. `bounded`
brings a writer's own fact into them, for texts and numbers that come from outside.
"""

import re
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, inspect
from msgspec.structs import replace

MAX_DEPTH: Final = 128
"""The maximum depth of lists and objects in one event, the event itself counted."""

MAX_EVENT_BYTES: Final = 255 * 1024
MAX_TEXT_CHARACTERS: Final = 64 * 1024
MAX_LINE_CHARACTERS: Final = 4096
MAX_NAME_CHARACTERS: Final = 200
MAX_COUNT: Final = 2**53
"""The largest whole number that every JSON reader holds exactly."""

MAX_SECONDS: Final = 1e9
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2100

Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARACTERS)]
"""Something to read: a prompt, an output, a diff."""

Line = Annotated[str, Meta(max_length=MAX_LINE_CHARACTERS)]
"""A title, an address, a path."""

Name = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS)]
"""An id, a code, a digest."""

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Number = Annotated[int, Meta(ge=-MAX_COUNT, le=MAX_COUNT)]
Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]
Moment = Annotated[datetime, Meta(tz=True)]
"""A time with its zone, of the years 2000 to 2100."""

T = TypeVar("T", bound=msgspec.Struct)

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ELLIPSIS: Final = "…"
_ENVELOPE_BYTES: Final = 4096


def is_too_deep(body: bytes, *, max_depth: int = MAX_DEPTH) -> bool:
    """Return True when JSON is nested more than `max_depth` deep. Brackets in strings do not count.

    Needs no decoder, which would recurse, and takes linear time for any bytes.
    """
    if body.count(b"[") + body.count(b"{") <= max_depth:
        return False
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    if brackets.count(b"[") + brackets.count(b"{") <= max_depth:
        return False
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > max_depth:
            return True
    return False


def has_more_values(body: bytes, count: int) -> bool:
    """Return True when JSON holds more than about `count` values: each costs memory when decoded.

    Strings, commas and brackets are counted, but for those in strings. Needs no memory, and no more
    time than `count` strings take.
    """
    if body.count(b'"') // 2 + _separators(body, 0, len(body)) <= count:
        return False
    found = at = 0
    for string in _STRING.finditer(body):
        found += 1 + _separators(body, at, string.start())
        if found > count:
            return True
        at = string.end()
    return found + _separators(body, at, len(body)) > count


def _separators(body: bytes, start: int, end: int) -> int:
    return sum(body.count(each, start, end) for each in (b",", b"[", b"{"))


def require_moments(fact: msgspec.Struct) -> None:
    """Raise `msgspec.ValidationError` when a time of a fact is outside the years of events."""
    for name in moments_of(type(fact)):
        moment = getattr(fact, name)
        if moment is not None and not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise msgspec.ValidationError(
                f"the time {moment.isoformat()} is not of the years {FIRST_YEAR} to {LAST_YEAR} "
                f"- at `$.{name}`"
            )


@cache
def moments_of(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the names of a fact's fields that hold times."""
    return tuple(
        field.name
        for field in _fields(kind)
        if any(isinstance(one, inspect.DateTimeType) for one in _alternatives(field.type))
    )


def bounded(fact: T, *, limit_bytes: int = MAX_EVENT_BYTES - _ENVELOPE_BYTES) -> T:
    """Return a fact whose texts, lists and numbers fit the limits: what is too long is cut.

    For a writer's own facts that carry words of others (a proxy's error page, a model's plan).
    What holds arbitrary JSON (the blocks of a reply) is left as it is, and must not be what makes
    a fact longer than `limit_bytes`: else its other texts are cut in vain.
    """
    fact = _within_limits(fact)
    characters = MAX_TEXT_CHARACTERS
    while _size_bytes(fact) > limit_bytes and characters > 1:
        characters //= 2
        fact = _with_texts_of(fact, characters)
    return fact


def _size_bytes(fact: msgspec.Struct) -> int:
    return len(msgspec.json.encode(fact))


def _within_limits(fact: T) -> T:
    changes: dict[str, object] = {}
    for field in _fields(type(fact)):
        value = getattr(fact, field.name)
        fitting = _fitting(value, _alternatives(field.type))
        if fitting is not value:
            changes[field.name] = fitting
    return replace(fact, **changes) if changes else fact


def _with_texts_of(fact: T, characters: int) -> T:
    """Cut every text of a fact, those in its lists too, to at most so many characters."""
    changes: dict[str, object] = {}
    for name in fact.__struct_fields__:
        value = getattr(fact, name)
        if isinstance(value, tuple):
            changes[name] = tuple(_shortened(each, characters) for each in value)
        else:
            changes[name] = _shortened(value, characters)
    return replace(fact, **changes)


def _shortened(value: Any, characters: int) -> Any:  # noqa: ANN401 - any field's value
    match value:
        case str():
            return _cut(value, characters)
        case msgspec.Struct():
            return _with_texts_of(value, characters)
        case _:
            return value


def _fitting(value: Any, kinds: tuple[inspect.Type, ...]) -> Any:  # noqa: ANN401 - any field's value
    """Return a field's value, within the limits its type names; the same object when it fits."""
    for kind in kinds:
        match kind, value:
            case inspect.StrType(max_length=longest), str():
                return _cut(_writable(value), longest or MAX_TEXT_CHARACTERS)
            case inspect.IntType(ge=least, le=most), int() if not isinstance(value, bool):
                return _clamped(value, _Range(least, most))
            case inspect.FloatType(ge=least, le=most), int() | float():
                return _clamped(value, _Range(least, most))
            case inspect.StructType(), msgspec.Struct():
                return _within_limits(value)
            case inspect.VarTupleType(item_type=item, max_length=most_items), tuple():
                kept = value if most_items is None else value[:most_items]
                made = tuple(_fitting(each, _alternatives(item)) for each in kept)
                same = len(made) == len(value) and all(map(_is_same, made, value))
                return value if same else made
            case _:
                continue
    return value


class _Range(NamedTuple):
    least: float | None
    most: float | None


def _clamped(value: float, within: _Range) -> float:
    least = within.least if within.least is not None else -MAX_COUNT
    most = within.most if within.most is not None else MAX_COUNT
    if value != value:  # noqa: PLR0124 - NaN, which JSON cannot hold
        return type(value)(least)
    if least <= value <= most:
        return value
    return type(value)(min(max(value, least), most))


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + _ELLIPSIS


def _writable(text: str) -> str:
    """Return text that UTF-8 can hold; a lone surrogate becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _is_same(one: object, other: object) -> bool:
    return one is other


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    shape = inspect.type_info(kind)
    return shape.fields if isinstance(shape, inspect.StructType) else ()


def _alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)
