"""Documents made from the code: JSON Schemas of the events, AsyncAPI of the messages.

Each package that sends messages offers a `Part`; `python -m docs` puts them together.
"""

from infra.documents.asyncapi import Channel, Message, Operation, Part, document
from infra.documents.files import Documents, stale, write
from infra.documents.log import log_part
from infra.documents.shapes import Change, changes
from infra.documents.stored import event_schemas, schema_name
from infra.documents.structs import Json, Schemas

__all__ = [
    "Change",
    "Channel",
    "Documents",
    "Json",
    "Message",
    "Operation",
    "Part",
    "Schemas",
    "changes",
    "document",
    "event_schemas",
    "log_part",
    "schema_name",
    "stale",
    "write",
]
