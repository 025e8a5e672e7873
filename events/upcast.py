"""Retired shapes of facts, and how each is read as the one that followed it.

A fact's shape may grow: a new field with a default needs nothing here. Any other change retires the
shape. Then an upcaster is added at the end of the tag's row, and from that moment on the fact is
stored with the next schema version: the first shape is 1, each upcaster leads from one to the next.
What is stored is never rewritten. See docs/decisions/0005-a-shape-has-a-version.md.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

Fields = Mapping[str, Any]
"""A stored event as JSON has it: the envelope's fields and the fact's."""

Upcaster = Callable[[Fields], dict[str, Any]]
"""Rewrites a stored event in the shape of the next schema version: same tag, same place."""

Upcasters = Mapping[str, tuple[Upcaster, ...]]

UPCASTERS: Final[Upcasters] = MappingProxyType({})
"""By tag; a tag's first upcaster reads schema 1 as 2, its second 2 as 3. Rows only grow."""


class Unreadable(ValueError):
    """Raised when no upcaster leads from this schema version to the newest; the text says why."""


def newest_schema(tag: str, upcasters: Upcasters = UPCASTERS) -> int:
    """Return the schema version in which a fact is stored today; 1 until a shape was retired."""
    return 1 + len(upcasters.get(tag, ()))


def upcast(stored: Fields, tag: str, schema: int, upcasters: Upcasters = UPCASTERS) -> Fields:
    """Read a stored event of any schema version in the newest shape of its tag.

    Raises Unreadable on a version newer than this edition knows, or below 1.
    """
    newest = newest_schema(tag, upcasters)
    if not 1 <= schema <= newest:
        raise Unreadable(
            f"{tag} is stored with schema {schema}, and this edition reads 1 to {newest}. "
            "Read it with the edition that wrote it, or a newer one."
        )
    for lift in upcasters.get(tag, ())[schema - 1 :]:
        stored = lift(stored)
    return stored
