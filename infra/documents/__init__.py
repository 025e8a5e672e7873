"""Documents made from the code: JSON Schemas of the events, AsyncAPI of what is said.

Each room that says something offers a `Part`; `python -m docs` puts them together. Pure but for
`files`, which writes.
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
