"""Encoder and decoder of the stream's frames on the client's side. Pure."""

from typing import Final, NamedTuple, get_args

import msgspec

from events.protocol.ephemeral import Ephemeral
from events.protocol.frames import (
    Ack,
    Behind,
    Bye,
    Heads,
    Line,
    Live,
    Nak,
    Ping,
    Reset,
    ResetReason,
    Said,
    SeenCursors,
    Welcome,
)


class EventItem(NamedTuple):
    """An event of a frame, still encoded: its task, its version and its bytes."""

    task: str
    version: int
    body: bytes


ServerItem = Welcome | Live | Behind | Reset | Heads | Line | SeenCursors | Ack | Nak | Ping | Bye
Item = EventItem | Ephemeral | ServerItem


class _Head(msgspec.Struct, frozen=True):
    t: str = ""
    task: str = ""
    version: int = 0
    reason: str = ""


_TAGS: Final = frozenset(kind.__struct_config__.tag for kind in get_args(ServerItem))
_RESET_REASONS: Final = frozenset(get_args(ResetReason))

_encode = msgspec.json.Encoder().encode
_frames: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_heads = msgspec.json.Decoder(_Head)
_items: msgspec.json.Decoder[ServerItem] = msgspec.json.Decoder(ServerItem)
_pieces = msgspec.json.Decoder(Ephemeral)


def encode_frame(frame: Said) -> str:
    """Encode a frame of a device."""
    return _encode(frame).decode()


def decode_frame(frame: str | bytes) -> list[Item]:
    """Decode a frame of the server. Raises msgspec.DecodeError for what is not the protocol.

    Items that a newer server added, and unknown fields, are ignored.
    """
    items = [decode_item(raw) for raw in _frames.decode(frame)]
    return [item for item in items if item is not None]


def decode_item(raw: msgspec.Raw) -> Item | None:
    """Decode one item; of an event only task and version. None for an item unknown here.

    Raises msgspec.DecodeError for an item without the fields of its type.
    """
    head = _heads.decode(raw)
    if not head.t:
        return EventItem(head.task, head.version, bytes(raw))
    if head.t == "eph":
        return _piece(raw)
    if head.t == "reset" and head.reason not in _RESET_REASONS:
        return Reset(head.task, 0, "unavailable")  # a reason of a newer server: try again later
    return _items.decode(raw) if head.t in _TAGS else None


def _piece(raw: msgspec.Raw) -> Ephemeral | None:
    """Return a piece; None for a malformed one: workers write them, and none is needed."""
    try:
        return _pieces.decode(raw)
    except msgspec.ValidationError:
        return None
