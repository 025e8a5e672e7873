"""Table, row and write of a read model as values. Pure.

The columns of a model stand in its own module. So projections are tested without a database.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from events import Recorded

_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")  # not where the backslash is itself escaped
_MAX_KEY_CHARACTERS: Final = 200  # an index entry holds 2,704 bytes, of all its columns together
_GREATEST: Final = 2**63 - 1
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)


class Table(NamedTuple):
    """A table of the read models: its columns in the order they are written, and its primary key.

    Where it `grows_only` each row is written once and never changed, so none can be there before.
    Every table has a column `task`.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    grows_only: bool = False


class Row(msgspec.Struct, frozen=True, gc=False):
    """The change of one row by one fact: its key and changed columns; others stay as they are."""

    table: Table
    values: Mapping[str, object]


class Write(NamedTuple):
    """Rows of one table, each with a value for every column; None leaves the column as it is."""

    table: Table
    rows: Sequence[Sequence[object]]


Projection = Callable[[Recorded], Sequence[Row]]


def storable(text: str) -> str:
    """Make text fit for Postgres, which holds every character but NUL."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def key_text(text: str) -> str:
    """Make text that a worker chose fit for a primary key: what is too long is cut, with a hash.

    The first 200 characters and the SHA-256 of the whole.
    """
    if len(text) > _MAX_KEY_CHARACTERS:
        whole = hashlib.sha256(text.encode(errors="replace")).hexdigest()
        text = f"{text[:_MAX_KEY_CHARACTERS]}…{whole}"
    return storable(text)


def storable_json(content: bytes) -> bytes:
    """Make JSON fit for a jsonb column, which refuses an escaped NUL; all else stays as it is."""
    if b"\\u0000" not in content:
        return content
    return _NUL.sub(rb"\1\\ufffd", content)


def acceptable(write: Write) -> Write:
    """Return every value within the range that Postgres holds.

    Rows whose keys become one become one row, later values winning.
    """
    places = [write.table.columns.index(column) for column in write.table.key]
    merged: dict[tuple[object, ...], list[object]] = {}
    for row in write.rows:
        values = [_within(value) for value in row]
        known = merged.setdefault(tuple(values[place] for place in places), values)
        if known is not values:
            known[:] = [old if new is None else new for old, new in zip(known, values, strict=True)]
    return Write(write.table, list(merged.values()))


def _within(value: object) -> object:
    match value:
        case bool():
            return value
        case str():
            return storable(value)
        case int():
            return max(-_GREATEST, min(_GREATEST, value))
        case tuple() | list():
            return [_within(each) for each in value]
        case datetime():
            return max(_EARLIEST, min(_LATEST, value))
        case _:
            return value
