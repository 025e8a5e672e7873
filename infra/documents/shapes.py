"""Differences between two JSON Schemas of one event, and which need a new version.

Stored events keep their shape for ever, so a shape may only grow: a field with a default, a value
more, an alternative more. Anything else would misread, or not read, what is stored.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from infra.documents.structs import Json

_WORDS: Final = ("title", "description", "$schema", "$id", "$defs")
_ABSENT: Final = object()


class Change(NamedTuple):
    """One difference: where, what, and whether stored events are still read as they were meant."""

    field: str
    what: str
    is_growth: bool


def changes(kept: Json, made: Json) -> list[Change]:
    """Return what `made` changes about `kept`; words for people do not count."""
    return list(_compare("", _plain(kept, kept), _plain(made, made)))


def _plain(schema: Any, document: Json) -> Any:  # noqa: ANN401 - any part of a schema
    """Put the referenced schemas in their places and leave out what is only for people."""
    if isinstance(schema, list):
        return [_plain(one, document) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = document["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _plain(target, document) | _plain(beside, document)
    plain = {
        key: value if key in ("default", "const", "enum") else _plain(value, document)
        for key, value in schema.items()
        if key not in (*_WORDS, "properties")
    }
    if "properties" in schema:
        members = schema["properties"].items()
        plain["properties"] = {name: _plain(member, document) for name, member in members}
    return plain


def _compare(field: str, kept: Json, made: Json) -> Iterator[Change]:
    if kept == made:
        return
    if "properties" in kept and "properties" in made:
        yield from _members(field, kept, made)
    elif kept.get("type") == made.get("type") == "array":
        yield from _compare(f"{field}[]", kept["items"], made["items"])
    elif "enum" in kept and "enum" in made:
        lost = [value for value in kept["enum"] if value not in made["enum"]]
        if lost:
            yield Change(field, f"may no longer be {_listed(lost)}", is_growth=False)
        elif set(made["enum"]) != set(kept["enum"]):
            more = [value for value in made["enum"] if value not in kept["enum"]]
            yield Change(field, f"may now also be {_listed(more)}", is_growth=True)
    elif "anyOf" in kept or "anyOf" in made:
        yield from _alternatives(field, kept, made)
    else:
        yield Change(field, f"was {_told(kept)} and is now {_told(made)}", is_growth=False)


def _members(field: str, kept: Json, made: Json) -> Iterator[Change]:
    before, after = kept["properties"], made["properties"]
    for name in [*before, *(name for name in after if name not in before)]:
        path = f"{field}.{name}" if field else name
        is_required = name in made["required"]
        if name not in after:
            yield Change(path, "is gone", is_growth=False)
        elif name not in before:
            what = "is new and has no default" if is_required else "is new"
            yield Change(path, what, is_growth=not is_required)
        else:
            yield from _default(path, before[name], after[name])
            if is_required != (name in kept["required"]):
                what = "must now be said" if is_required else "may now be left out"
                yield Change(path, what, is_growth=not is_required)
            yield from _compare(path, _typed(before[name]), _typed(after[name]))


def _default(field: str, kept: Json, made: Json) -> Iterator[Change]:
    """Events that left a field out meant the default of their time."""
    before, after = kept.get("default", _ABSENT), made.get("default", _ABSENT)
    if before is not _ABSENT and after is not _ABSENT and before != after:
        yield Change(field, f"had the default {before!r} and has {after!r}", is_growth=False)


def _alternatives(field: str, kept: Json, made: Json) -> Iterator[Change]:
    offered = made.get("anyOf", [made])
    for one in kept.get("anyOf", [kept]):
        like = [other for other in offered if other.get("type") == one.get("type")]
        if not like:
            yield Change(field, f"may no longer be {_told(one)}", is_growth=False)
        else:
            yield from _compare(field, _typed(one), _typed(like[0]))
    if len(offered) > len(kept.get("anyOf", [kept])):
        yield Change(field, f"may now be {_told(made)}", is_growth=True)


def _typed(member: Json) -> Json:
    return {key: value for key, value in member.items() if key != "default"}


def _told(schema: Json) -> str:
    if "anyOf" in schema:
        return " or ".join(_told(one) for one in schema["anyOf"])
    if "enum" in schema:
        return _listed(schema["enum"])
    if "const" in schema:
        return repr(schema["const"])
    if schema.get("type") == "array":
        return f"a list of {_told(schema['items'])}"
    return str(schema.get("format") or schema.get("type") or "anything")


def _listed(values: list[Any]) -> str:
    return ", ".join(repr(value) for value in values)
