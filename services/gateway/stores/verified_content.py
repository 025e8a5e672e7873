"""Stored objects that a history names: sent only if size and SHA-256 are those in the history.

A worker writes the events that name them, so nothing about an object is believed that is not
checked here.
"""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Final, NamedTuple

from events import Blob, TaskId
from infra.stores.object_keys import is_own_key, is_sha256
from services.gateway.problems import Refused, refused
from services.gateway.stores.object_store import Storage

_RANGE_BYTES: Final = 1024 * 1024


class ByteRange(NamedTuple):
    """Bytes of an object, from `start` up to and without `end`."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """Return how many they are."""
        return self.end - self.start


def is_sound(task: TaskId, blob: Blob) -> bool:
    """Return whether the broker could have stored this for the task."""
    return is_own_key(task, blob.key) and is_sha256(blob.sha256) and blob.size_bytes >= 0


async def open_verified(storage: Storage, blob: Blob) -> AsyncIterator[bytes]:
    """Open an object and return its parts; the last is held back until the whole is verified.

    Raises Refused: 404, 409 when the stored object is another one, 503. While the parts are read
    Refused cuts the answer short.
    """
    stored = await storage.get(blob.key)
    if stored.size_bytes != blob.size_bytes:
        raise _changed()
    parts = _verified(stored.content, blob.sha256)
    first = await anext(parts)  # of a small object, all of it

    async def content() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            yield part

    return content()


async def read_verified(storage: Storage, blob: Blob) -> bytes:
    """Return a whole object. Raises Refused as `open_verified`."""
    return b"".join([part async for part in await open_verified(storage, blob)])


async def read_range(storage: Storage, blob: Blob, wanted: ByteRange) -> bytes:
    """Return some bytes of an object, which is read to its end for its digest.

    Raises Refused as `open_verified`.
    """
    kept, place = bytearray(), 0
    async for part in await open_verified(storage, blob):
        kept += part[max(0, wanted.start - place) : max(0, wanted.end - place)]
        place += len(part)
    return bytes(kept)


def parse_range(header: str, size_bytes: int) -> ByteRange | None:
    """Read a Range header (RFC 9110 §14.2); None when all is to be sent.

    At most 1 MiB of what is asked is answered. What is malformed, or asks for several ranges, is
    passed over, as the RFC allows. Raises Refused (416) when no such bytes are there.
    """
    unit, _, spelt = header.partition("=")
    first, dash, last = spelt.strip().partition("-")
    is_spelt = all(part == "" or (part.isascii() and part.isdigit()) for part in (first, last))
    if unit.strip().lower() != "bytes" or not dash or not is_spelt or not (first or last):
        return None
    if max(len(first), len(last)) > len(str(2**63)) or (first and last and int(last) < int(first)):
        return None
    start = int(first) if first else max(0, size_bytes - int(last))
    end = min(size_bytes, int(last) + 1 if first and last else size_bytes, start + _RANGE_BYTES)
    if start >= end:
        raise refused(
            416,
            "range_not_satisfiable",
            f"There are {size_bytes} bytes; none of those asked for are among them.",
        )
    return ByteRange(start, end)


async def _verified(content: AsyncIterator[bytes], digest: str) -> AsyncIterator[bytes]:
    """Yield the content. Its last part is held back until the whole is what the history names.

    Raises Refused, which cuts the answer short.
    """
    seen, held = sha256(), b""
    async for part in content:
        seen.update(part)
        if held:
            yield held
        held = part
    if seen.hexdigest() != digest:
        raise _changed()
    yield held


def _changed() -> Refused:
    return refused(
        409,
        "artifact_changed",
        "The stored object is not the one that the task's history names: its size or SHA-256 "
        "differs. It is not sent.",
    )
