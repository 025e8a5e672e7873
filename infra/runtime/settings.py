"""Settings: one type per service, read once from the environment and passed down."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

Settings = TypeVar("Settings")
_VALUE = re.compile(r"Invalid enum value .+?(?= - at|$)", re.DOTALL)


class Misconfigured(Exception):
    """The environment lacks a setting or holds a malformed one; the text says which."""


def variables(kind: type) -> list[str]:
    """Return the names of the fields of a struct or a dataclass."""
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def read(kind: type[Settings], environment: Mapping[str, str]) -> Settings:
    """Read `kind` from the environment: field `nats_url` from NATS_URL, and so on.

    Unknown variables are passed over, empty ones count as absent. Raises Misconfigured, naming the
    variable and never its value.
    """
    fields = variables(kind)
    present = {name: environment.get(name.upper(), "") for name in fields}
    try:
        given = {name: value for name, value in present.items() if value}
        return msgspec.convert(given, kind, strict=False, dec_hook=_convert)
    except msgspec.ValidationError as error:
        # A path such as `$.nats_url` or a quoted field name; spell it as the variable it came from.
        text = _VALUE.sub("Invalid value", str(error))
        for name in sorted(fields, key=len, reverse=True):
            text = text.replace(f"`$.{name}`", name.upper()).replace(f"`{name}`", name.upper())
        raise Misconfigured(
            f"{text}. Set it in the environment; see docs/reference/configuration.md."
        ) from None


def _convert(kind: type, value: object) -> object:
    """Convert what msgspec does not know: a path."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"a setting cannot be a {kind.__name__}")
