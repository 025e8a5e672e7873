"""Decoder of JSON that others wrote: whatever it returns can be recorded and read again."""

import json
import math
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 100

_SHOWN_CHARACTERS: Final = 60


class MalformedReply(ValueError):
    """The reply does not have the shape of a reply; the text says where."""


def decode_json(text: str, what: str) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Decode JSON that others wrote; `what` names it in errors. Raises MalformedReply.

    Halves of surrogate pairs, which JSON can spell and UTF-8 cannot, are replaced.
    """
    try:
        # Not msgspec: that refuses half a surrogate pair, which only has to be replaced.
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise MalformedReply(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise MalformedReply(f"{what} is not JSON: {shown(str(error))}") from None
    return _sound(value, what, 0)


def _sound(value: Any, what: str, depth: int) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        raise MalformedReply(f"{what} holds a number that is too large")
    if not isinstance(value, list | dict):
        return value
    if depth >= MAX_DEPTH:
        raise MalformedReply(f"{what} is nested more than {MAX_DEPTH} deep")
    if isinstance(value, list):
        return [_sound(each, what, depth + 1) for each in value]
    return {
        _sound(key, what, depth + 1): _sound(each, what, depth + 1) for key, each in value.items()
    }


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def shown(value: object) -> str:
    """Return a short text that names a value in an error."""
    text = str(value) if isinstance(value, str) else type(value).__name__
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
