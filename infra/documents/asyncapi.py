"""AsyncAPI 3.0 documents, put together from what each service offers.

Specification: AsyncAPI 3.0.0. Actions are Errand's: it sends what others may read, and receives
what others say. Payloads refer to `#/components/schemas/`: a `Schemas` here is made with `REFS`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from infra.documents.structs import Json, Schemas

REFS: Final = "#/components/schemas/"
PROTOCOL_VERSION: Final = "1.0.0"

_DESCRIPTION: Final = (
    "The log of facts on NATS JetStream, what is said beside it and not kept, and the stream on "
    "which a device receives it. Made from the code by `make docs`. In words: events/README.md and "
    "docs/reference/protocol.md."
)
_SERVERS: Final[Mapping[str, Json]] = {
    "log": {
        "host": "{nats}",
        "protocol": "nats",
        "description": "NATS with JetStream. Who may publish and read what: infra/log.",
        "variables": {"nats": {"default": "localhost:4222"}},
    },
    "gateway": {
        "host": "{gateway}",
        "protocol": "wss",
        "description": "The gateway. The token is in the first frame, never in the URL.",
        "variables": {"gateway": {"default": "localhost:8080"}},
    },
}


class Message(NamedTuple):
    """Something said, as one message of its transport."""

    name: str
    summary: str
    payload: Json
    headers: Json | None = None
    content_type: str = "application/json"


class Channel(NamedTuple):
    """A channel: `messages` by name, `parameters` of the address with their meaning."""

    name: str
    address: str
    server: str
    description: str
    messages: tuple[str, ...]
    parameters: Mapping[str, str] = {}
    bindings: Json | None = None


class Operation(NamedTuple):
    """The messages one side sends or receives on a channel; without `messages`, all of them."""

    name: str
    action: Literal["send", "receive"]
    channel: str
    summary: str
    messages: tuple[str, ...] = ()


class Part(NamedTuple):
    """Channels and operations of one service. The messages' structs are in its `Schemas`."""

    channels: tuple[Channel, ...]
    operations: tuple[Operation, ...]
    messages: tuple[Message, ...]


def document(schemas: Schemas, parts: Iterable[Part]) -> Json:
    """Put the parts together. Raises ValueError when two of them use one name."""
    whole = list(parts)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Errand",
            "version": PROTOCOL_VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": dict(_SERVERS),
        "channels": _named((c.name, _channel(c)) for part in whole for c in part.channels),
        "operations": _named((o.name, _operation(o)) for part in whole for o in part.operations),
        "components": {
            "messages": _named((m.name, _message(m)) for part in whole for m in part.messages),
            "schemas": dict(sorted(schemas.named.items())),
        },
    }


def _named(items: Iterable[tuple[str, Json]]) -> Json:
    named: Json = {}
    for name, item in items:
        if name in named:
            raise ValueError(f"Two parts of the document are called {name}. Rename one of them.")
        named[name] = item
    return named


def _channel(channel: Channel) -> Json:
    made: Json = {
        "address": channel.address,
        "description": channel.description,
        "servers": [{"$ref": f"#/servers/{channel.server}"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
    }
    if channel.parameters:
        parameters = channel.parameters.items()
        made["parameters"] = {name: {"description": meaning} for name, meaning in parameters}
    return made | ({"bindings": channel.bindings} if channel.bindings else {})


def _operation(operation: Operation) -> Json:
    place = f"#/channels/{operation.channel}"
    made: Json = {
        "action": operation.action,
        "channel": {"$ref": place},
        "summary": operation.summary,
    }
    if operation.messages:
        made["messages"] = [{"$ref": f"{place}/messages/{name}"} for name in operation.messages]
    return made


def _message(message: Message) -> Json:
    made: Json = {
        "name": message.name,
        "summary": message.summary,
        "contentType": message.content_type,
        "payload": message.payload,
    }
    return made | ({"headers": message.headers} if message.headers else {})
