"""A change to a read model as a value, so that projections are tested without a database. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from events import Recorded

_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")  # not where the backslash is itself escaped


class Table(NamedTuple):
    """A table of schema `read` and the columns of its primary key."""

    name: str
    key: tuple[str, ...]


class Row(NamedTuple):
    """What one fact makes of one row: key and changed columns; other columns stay as they are."""

    table: Table
    values: Mapping[str, object]


class Write(NamedTuple):
    """Rows of one table that set the same columns: one statement."""

    table: Table
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]]


Projection = Callable[[Recorded], Sequence[Row]]


def fold(rows: Iterable[Row]) -> Sequence[Write]:
    """Fold a batch's rows into few writes: one row a key, the later value of a column wins."""
    merged: dict[tuple[Table, tuple[object, ...]], dict[str, object]] = {}
    for table, values in rows:
        place = (table, tuple(values[column] for column in table.key))
        merged.setdefault(place, {}).update(values)
    writes: dict[tuple[Table, tuple[str, ...]], list[Mapping[str, object]]] = {}
    for (table, _), values in merged.items():
        writes.setdefault((table, tuple(sorted(values))), []).append(values)
    return [Write(table, columns, rows) for (table, columns), rows in writes.items()]


def storable(text: str) -> str:
    """Make text fit for Postgres, which holds every character but NUL."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def storable_json(content: bytes) -> bytes:
    """Make JSON fit for a jsonb column, which refuses an escaped NUL; all else stays as it is."""
    return _NUL.sub(rb"\1\\ufffd", content)
