"""The documents as files: written by `make docs`, and refused where a stored shape would change."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from events.upcast import newest_schema
from infra.documents.shapes import Change, changes
from infra.documents.stored import facts
from infra.documents.structs import Json

Documents = Mapping[str, Json | str]
"""Every document by its path below docs/: a JSON object, or text."""

SHAPES: Final = "schemas"
"""Folder of the documents of stored events, `<tag>.<schema>.json`; those of retired shapes stay."""

_REMEDY: Final = (
    "What is stored keeps its shape for ever. Give the new shape a version: add to UPCASTERS in "
    "events/upcast.py how a `{tag}` of schema {schema} is read as {following}, and run "
    "`make docs`. Or give the new meaning a tag of its own. See "
    "docs/decisions/0005-a-shape-has-a-version.md."
)


class Refused(Exception):
    """A shape was changed that must not be. The text says which, and what to do."""


def encode_document(document: Json | str) -> bytes:
    """Encode a document as it is kept: text as it is, JSON indented and with a last line end."""
    if isinstance(document, str):
        return document.encode()
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def write(folder: Path, documents: Documents) -> list[str]:
    """Write what differs into `folder`; return the paths written. Raises Refused."""
    refusals = list(_refusals(folder, documents))
    if refusals:
        raise Refused("\n\n".join(refusals))
    written = [path for path, made in documents.items() if _differs(folder / path, made)]
    for path in written:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(encode_document(documents[path]))
    return written


def stale(folder: Path, documents: Documents) -> list[str]:
    """Return what is wrong with the files in `folder`, each with its remedy."""
    refusals = list(_refusals(folder, documents))
    if refusals:
        return refusals
    behind = [path for path, made in documents.items() if _differs(folder / path, made)]
    return [f"{path} is not what the code says. Run `make docs` and commit it." for path in behind]


def _differs(path: Path, made: Json | str) -> bool:
    return not path.exists() or path.read_bytes() != encode_document(made)


def _refusals(folder: Path, documents: Documents) -> Iterator[str]:
    tags = {tag for tag, _ in facts()}
    for path in sorted((folder / SHAPES).glob("*.json")):
        tag, _, number = path.stem.rpartition(".")
        name = f"{SHAPES}/{path.name}"
        if tag not in tags or not number.isdecimal():
            yield f"docs/{name} is of a fact nobody knows. A tag is for ever: bring `{tag}` back."
        elif int(number) > newest_schema(tag):
            yield (
                f"docs/{name} says that `{tag}` was stored with schema {number}, and "
                f"events/upcast.py ends before it. Upcasters are for ever: bring the last one back."
            )
        elif isinstance(made := documents.get(name), dict):
            kept = msgspec.json.decode(path.read_bytes(), type=dict)
            broken = [one for one in changes(kept, made) if not one.is_growth]
            if broken:
                yield _refusal(tag, int(number), broken)


def _refusal(tag: str, schema: int, broken: list[Change]) -> str:
    told = "; ".join(f"`{change.field}` {change.what}" for change in broken)
    remedy = _REMEDY.format(tag=tag, schema=schema, following=schema + 1)
    return f"The shape of `{tag}` changed without a new schema version: {told}. {remedy}"
