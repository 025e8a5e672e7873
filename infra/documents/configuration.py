"""Reference of the environment variables, made from the settings of every program.

The meaning of a variable is the docstring below its field. Where several programs read a variable
of one meaning, one of them has the text.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from infra.documents.markdown import markdown_table

_TYPES: Final[Mapping[object, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
    datetime: "time (RFC 3339)",
}
_UNIT: Final = re.compile(r"(SECONDS|BYTES|USD|MB|A_MINUTE)(_PER_SECOND)?(?:_|$)")
_UNITS: Final[Mapping[str, str]] = {
    "SECONDS": "seconds",
    "BYTES": "bytes",
    "BYTES_PER_SECOND": "bytes per second",
    "USD": "US dollars",
    "MB": "MB",
    "A_MINUTE": "per minute",
}
_TITLES: Final = ("variable", "type", "default", "unit", "read by", "meaning")


class Undocumented(Exception):
    """A variable has no meaning, or several of which none is its own; the text says which."""


class Program(NamedTuple):
    """A program, and the settings that it reads from its environment."""

    name: str
    settings: tuple[type, ...]


class Variable(NamedTuple):
    """One variable as one program reads it."""

    name: str
    kind: str
    default: str
    meaning: str


def environment_table(programs: Sequence[Program]) -> str:
    """Return the tables of all programs as Markdown. Raises Undocumented."""
    tables = {program.name: list(variables(program, programs)) for program in programs}
    return "\n".join(_section(name, found, tables) for name, found in tables.items())


def variables(program: Program, programs: Sequence[Program]) -> Iterator[Variable]:
    """Yield the variables of a program by name. Raises Undocumented."""
    fields = {field: settings for settings in program.settings for field in _fields(settings)}
    for field, settings in sorted(fields.items()):
        yield Variable(
            name=field.upper(),
            kind=_kind(get_type_hints(settings)[field]),
            default=_default(_fields(settings)[field]),
            meaning=_meaning(field, settings, programs),
        )


def field_texts(settings: type) -> dict[str, str]:
    """Return the docstrings below the fields of a class and of its bases."""
    found: dict[str, str] = {}
    for kind in reversed(settings.__mro__):
        if "__annotations__" in kind.__dict__ and kind.__module__ != msgspec.Struct.__module__:
            found |= _own_texts(kind)
    return found


@cache
def _own_texts(kind: type) -> dict[str, str]:
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }


def _meaning(field: str, settings: type, programs: Sequence[Program]) -> str:
    own = field_texts(settings).get(field)
    if own:
        return own
    others = {
        text
        for program in programs
        for each in program.settings
        if (text := field_texts(each).get(field))
    }
    if len(others) != 1:
        raise Undocumented(
            f"{field.upper()} of {settings.__module__} has {len(others)} meanings. Write what it "
            "means as a docstring below the field."
        )
    return others.pop()


def _fields(settings: type) -> dict[str, object]:
    """Return the fields of a struct or a dataclass with their defaults, or with NODEFAULT."""
    if issubclass(settings, msgspec.Struct):
        return {field.name: field.default for field in msgspec.structs.fields(settings)}
    signature = inspect.signature(settings)
    return {
        name: msgspec.NODEFAULT if field.default is field.empty else field.default
        for name, field in signature.parameters.items()
    }


def _kind(hint: object) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    return _TYPES[hint]


def _default(value: object) -> str:
    match value:
        case msgspec.NODEFAULT:
            return "required"
        case "":
            return "empty"
        case bool():
            return f"`{str(value).lower()}`"
        case float() if value.is_integer():
            return f"`{int(value)}`"
        case _:
            return f"`{value}`"


def _unit(name: str) -> str:
    found = _UNIT.search(name)
    return _UNITS[found[1] + (found[2] or "")] if found else ""


def _section(name: str, found: Sequence[Variable], tables: Mapping[str, list[Variable]]) -> str:
    rows = [
        (
            f"`{each.name}`",
            each.kind,
            each.default,
            _unit(each.name),
            ", ".join(who for who, read in tables.items() if each.name in {v.name for v in read}),
            each.meaning,
        )
        for each in found
    ]
    return f"## {name}\n{markdown_table(_TITLES, rows)}"
