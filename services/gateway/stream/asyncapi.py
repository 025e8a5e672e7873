"""The stream's part of the AsyncAPI document: protocol v1, from the structs that carry it."""

from typing import Final, get_args

import msgspec

from events.protocol import frames
from infra.documents import Channel, Json, Message, Operation, Part, Schemas
from infra.documents.asyncapi import REFS
from infra.documents.stored import facts
from services.gateway.tasks.command_declarations import COMMANDS

_LIVE_ITEM: Final = "#/components/messages/eph/payload"
_CLOSE_CODES: Final = range(4000, 5000)
_WORDS: Final = (
    f"One WebSocket per device, subprotocol `{frames.SUBPROTOCOL}`, text frames of JSON. A device "
    "sends one object per frame and receives one array per frame; items without `t` are events as "
    "they are stored. Below 4500 a close code means reconnect and resume, from 4500 on stop: "
)
_FRAME_WORDS: Final = "Items a device receives together, in their order."


def stream_part(schemas: Schemas) -> Part:
    """Return the channels, operations and messages of the stream."""
    said = [_said(kind, schemas) for kind in get_args(frames.Said)]
    frame = Message("frame", "Items, in one array.", _frame(schemas))
    names = tuple(message.name for message in said)
    return Part(
        channels=(
            Channel(
                "stream",
                "/v1/stream",
                "gateway",
                f"{_WORDS}{_closes()}.",
                (*names, frame.name),
                bindings={"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            ),
        ),
        operations=(
            Operation("device.says", "receive", "stream", "Frames a device may send.", names),
            Operation(
                "device.is_told", "send", "stream", "Frames a device receives.", (frame.name,)
            ),
        ),
        messages=(*said, frame),
    )


def _said(kind: type[frames.FromDevice], schemas: Schemas) -> Message:
    reference = schemas.of(kind)
    if kind is frames.Cmd:
        schemas.named[kind.__name__]["anyOf"] = [
            {"properties": {"op": {"const": command.op}, "args": schemas.of(command.request)}}
            for command in COMMANDS
        ]
    return Message(str(kind.__struct_config__.tag), _words(kind), reference)


def _frame(schemas: Schemas) -> Json:
    described = [schemas.of(kind) for kind in frames.ToDevice.__subclasses__()]
    events = [{"$ref": f"{REFS}{tag}"} for tag, _ in facts()]
    return {
        "title": "Frame",
        "description": _FRAME_WORDS,
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [*described, {"$ref": _LIVE_ITEM}, *events]},
    }


def _words(kind: type[msgspec.Struct]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def _closes() -> str:
    codes = {code: name for name, code in vars(frames).items() if _is_close_code(code)}
    described = (f"{code} {codes[code].lower().replace('_', ' ')}" for code in sorted(codes))
    return ", ".join(described)


def _is_close_code(value: object) -> bool:
    return isinstance(value, int) and value in _CLOSE_CODES
