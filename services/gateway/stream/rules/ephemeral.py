"""Ephemeral items, not stored: pieces of text and output, with their offset in a block.

A piece says at which character of its block it begins, so a device sees a hole by itself. For a
device that does not keep up, a block's newest piece takes the place of those that wait. Pure.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

_BLOCK_BYTES: Final = 16 * 1024
_MAX_BLOCKS: Final = 64


class EphemeralItem(NamedTuple):
    """An item as it is sent, and its block."""

    block: str
    item: bytes


class _Place(msgspec.Struct):
    task: str
    kind: str
    block: str


_place = msgspec.json.Decoder(_Place)


def read_ephemeral(item: bytes) -> EphemeralItem | None:
    """Return an item with its block; None when malformed (workers may send anything)."""
    try:
        place = _place.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return EphemeralItem(f"{place.task}/{place.kind}/{place.block}", item)


class EphemeralBuffer:
    """Buffer of pieces for one device: bounded, whatever the device does."""

    def __init__(self) -> None:
        self._blocks: dict[str, list[bytes]] = {}

    def put(self, piece: EphemeralItem) -> None:
        """Add a piece; beyond 16 KiB of a block, keep only its newest."""
        waiting = self._blocks.setdefault(piece.block, [])
        waiting.append(piece.item)
        if sum(map(len, waiting)) > _BLOCK_BYTES:
            del waiting[:-1]
        while len(self._blocks) > _MAX_BLOCKS:
            del self._blocks[next(iter(self._blocks))]

    def take(self) -> Iterator[bytes]:
        """Yield and remove everything, block by block."""
        blocks, self._blocks = self._blocks, {}
        for waiting in blocks.values():
            yield from waiting
