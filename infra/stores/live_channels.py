"""The names and frames in Redis by which live state goes from the projector to the gateway.

The projector's live loop writes, the gateway's hub reads. Redis holds nothing that is not in the
log: emptied, it is filled again from there.
"""

import struct
from typing import NamedTuple

from events import AccountId, History, TaskId

_VERSION = struct.Struct(">Q")
EPHEMERAL = 0


class Frame(NamedTuple):
    """One message on a feed: an event's version and stored bytes, or version 0 and a live item."""

    version: int
    body: bytes


def feed_channel(history: History) -> str:
    """Name the channel of one task's events and live items."""
    return f"feed.{history.account}.{history.task}"


def inbox_channel(account: AccountId) -> str:
    """Name the channel of an account's task lines, one JSON task state a message."""
    return f"inbox.{account}"


def state_key(task: TaskId) -> str:
    """Name the hash {version, state} that holds a task's live state."""
    return f"task.{task}"


def pack(frame: Frame) -> bytes:
    """Return a frame's bytes: the version as eight bytes, big-endian, then the body."""
    return _VERSION.pack(frame.version) + frame.body


def unpack(message: bytes) -> Frame:
    """Read a frame. Raises `struct.error` when the message is shorter than a version."""
    [version] = _VERSION.unpack_from(message)
    return Frame(version, message[_VERSION.size :])
