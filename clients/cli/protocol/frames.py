"""Frames of the stream protocol v1 (docs/reference/protocol.md) on the client's side. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

_encode = msgspec.json.Encoder().encode


class FieldError(msgspec.Struct, frozen=True):
    """One error in a command, and its position."""

    pointer: str = ""
    detail: str = ""


class Problem(msgspec.Struct, frozen=True):
    """Reason why a command was refused (RFC 9457). `is_retryable`: it may succeed later."""

    detail: str = ""
    status: int = 0
    code: str = ""
    errors: tuple[FieldError, ...] = ()
    is_retryable: bool = msgspec.field(name="retryable", default=False)


class Item(msgspec.Struct, frozen=True):
    """Any item of a server's frame; an event has no `t`. Unknown fields are ignored."""

    t: str = ""
    id: str = ""
    task: str = ""
    version: int = 0
    kind: str = ""
    block: str = ""
    offset: int = 0
    text: str = ""
    head: int = 0
    reason: str = ""
    versions: dict[str, int] = {}
    problem: Problem = Problem()
    heartbeat_ms: int = 25_000
    now: datetime | None = None
    expires: datetime | None = None
    retry_ms: int = 0
    phase: str = ""
    title: str = ""
    waiting: str = ""
    cost_microusd: int = 0


class ReceivedItem(NamedTuple):
    """An item with its original bytes."""

    item: Item
    body: bytes


class _Head(msgspec.Struct, frozen=True):
    t: str = ""
    task: str = ""
    version: int = 0


_KNOWN: Final = frozenset(
    ("welcome", "live", "line", "eph", "behind", "reset", "head", "ack", "nak", "ping", "bye")
)

_frames: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_heads = msgspec.json.Decoder(_Head)
_items = msgspec.json.Decoder(Item)


def read(frame: str | bytes) -> list[ReceivedItem]:
    """Decode a frame. Raises msgspec.DecodeError for what is not the protocol."""
    return [read_item(raw) for raw in _frames.decode(frame)]


def read_item(raw: msgspec.Raw) -> ReceivedItem:
    """Decode one item; of an event only task and version. Raises msgspec.DecodeError."""
    head = _heads.decode(raw)
    if head.t in _KNOWN:
        return ReceivedItem(_items.decode(raw), bytes(raw))
    return ReceivedItem(Item(t=head.t, task=head.task, version=head.version), bytes(raw))


def hello(token: str, device: str, subs: Iterable[tuple[str, int]]) -> str:
    """Return the first frame: token, device, and the version to resume from per task."""
    return _said(
        t="hello",
        v=1,
        token=token,
        device={"id": device, "name": "errand", "platform": "cli"},
        subs=[{"task": task, "version": version} for task, version in subs],
    )


def sub(task: str, version: int) -> str:
    """Return the frame that subscribes to a task's events after a version."""
    return _said(t="sub", task=task, version=version)


def auth(token: str) -> str:
    """Return the frame that presents a newer token."""
    return _said(t="auth", token=token)


def pong() -> str:
    """Return the frame that answers a ping."""
    return _said(t="pong")


def cmd(command: str, *, op: str, task: str, args: bytes) -> str:
    """Return the frame of a command; `args` is its JSON body."""
    about = {"task": task} if task else {}
    return _said(t="cmd", id=command, op=op, args=msgspec.Raw(args), **about)


def _said(**fields: object) -> str:
    return _encode(fields).decode()
