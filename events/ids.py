"""Identifiers. Distinct types, so a TaskId can never be passed where an AccountId belongs.

Every id is a NATS token, a file name and a URL segment as it stands: `[a-z0-9_]`.
Time and randomness are arguments; nothing here reads a clock.
"""

import hashlib
from base64 import b32encode
from typing import NewType
from uuid import UUID

AccountId = NewType("AccountId", str)
PersonId = NewType("PersonId", str)
TaskId = NewType("TaskId", str)
EventId = NewType("EventId", str)
CommandId = NewType("CommandId", str)
MachineId = NewType("MachineId", str)
CallId = NewType("CallId", str)
RequestId = NewType("RequestId", str)

_RANDOM_BYTES = 10


def uuid7(milliseconds: int, entropy: bytes) -> UUID:
    """Make a UUIDv7 (RFC 9562 §5.7) from Unix milliseconds and ten random bytes.

    Raises ValueError when `entropy` is not ten bytes.
    """
    if len(entropy) != _RANDOM_BYTES:
        raise ValueError(f"uuid7 needs {_RANDOM_BYTES} random bytes, not {len(entropy)}")
    bits = int.from_bytes(milliseconds.to_bytes(6, "big") + entropy, "big")
    bits = bits & ~(0xF << 76) | 0x7 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=bits)


def prefixed(prefix: str, content: bytes) -> str:
    """Encode 16 bytes as `<prefix>_<26 characters of base32>`."""
    return f"{prefix}_{b32encode(content).decode().rstrip('=').lower()}"


def event_id(milliseconds: int, entropy: bytes) -> EventId:
    """Make the id of a new event: in time order, and not to be guessed."""
    return EventId(prefixed("evt", uuid7(milliseconds, entropy).bytes))


def task_id(account: AccountId, command: CommandId) -> TaskId:
    """Derive a task's id from the command that submits it, so that a repeated submit finds it."""
    return TaskId(prefixed("task", hashlib.sha256(f"{account}\n{command}".encode()).digest()[:16]))


def request_id(task: TaskId, call: CallId) -> RequestId:
    """Derive the id of the question that a tool call asks, the same in every attempt."""
    return RequestId(prefixed("req", hashlib.sha256(f"{task}\n{call}".encode()).digest()[:16]))


def task_branch(task: TaskId) -> str:
    """Return the name of the branch that a task's work is pushed to; a task may push no other."""
    return f"errand/{task}"
