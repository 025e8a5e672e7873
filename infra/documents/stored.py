"""JSON Schemas of the stored events: for each tag the shape in which it is stored today.

One document an event type and schema version, of the whole stored body: envelope, then fact.
Fields that a document does not name are allowed: a newer writer may have added them.
"""

from collections.abc import Iterator, Mapping
from typing import Final, get_args

from events import TaskEvent
from events.codec import Envelope
from events.fact import Fact
from events.upcast import newest_schema
from infra.documents.structs import Json, Schemas

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_ENVELOPE: Final[Mapping[str, str]] = {
    "id": "The event's id, in time order and not to be guessed.",
    "task": "Whose history this is.",
    "version": "Place in the history, dense: 1, 2, 3 …",
    "at": "The writer's clock, RFC 3339 in UTC.",
    "by": "`person:per_…`, `scheduler`, `worker:<attempt>` or `operator`.",
    "cause": "The id of the command or event that led to this one; may be empty.",
    "schema": "Version of the fact's shape; left out where it is 1.",
}


def facts() -> Iterator[tuple[str, type[Fact]]]:
    """Yield every kind of fact with its tag, in the order of the catalogue."""
    for kind in get_args(TaskEvent):
        yield str(kind.__struct_config__.tag), kind


def schema_name(tag: str, schema: int) -> str:
    """Return the document of a tag's shape, without its folder."""
    return f"{tag}.{schema}.json"


def event_schema(kind: type[Fact], schemas: Schemas) -> Json:
    """Return the schema of one kind of event as it is stored; nested structs go to `schemas`."""
    tag = str(kind.__struct_config__.tag)
    schema = newest_schema(tag)
    around = schemas.members(Envelope, but=["schema"])
    fact = schemas.members(kind)
    properties = {
        name: member | {"description": _ENVELOPE[name]}
        for name, member in around["properties"].items()
    }
    properties["version"]["minimum"] = 1
    properties["schema"] = {"const": schema, "description": _ENVELOPE["schema"]}
    return {
        "title": tag,
        "description": fact["description"],
        "type": "object",
        "properties": properties | fact["properties"],
        "required": [
            *around["required"],
            *(["schema"] if schema > 1 else []),
            *fact["required"],
        ],
    }


def event_schemas() -> dict[str, Json]:
    """Make the document of every event's newest shape, by `schema_name`."""
    made: dict[str, Json] = {}
    for tag, kind in facts():
        schemas = Schemas()
        schema = newest_schema(tag)
        body = event_schema(kind, schemas)
        identity = {"$schema": DIALECT, "$id": f"urn:errand:event:{tag}:{schema}"}
        nested = {"$defs": schemas.named} if schemas.named else {}
        made[schema_name(tag, schema)] = identity | body | nested
    return made
