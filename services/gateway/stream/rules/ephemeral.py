"""What passes and is not kept: pieces of text and output, each with its place in a block.

A piece says at which character of its block it begins, so a device sees a hole by itself. For a
device that does not keep up, a block's newest piece takes the place of those that wait. Pure.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

_BLOCK_BYTES: Final = 16 * 1024
_MOST_BLOCKS: Final = 64


class EphemeralItem(NamedTuple):
    """One item as it is sent, and which block it is of."""

    block: str
    item: bytes


class _Place(msgspec.Struct):
    task: str
    kind: str
    block: str


_place = msgspec.json.Decoder(_Place)


def read_ephemeral(item: bytes) -> EphemeralItem | None:
    """Tell which block an item is of; None for what is none (workers may say anything)."""
    try:
        place = _place.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return EphemeralItem(f"{place.task}/{place.kind}/{place.block}", item)


class EphemeralBuffer:
    """The pieces that wait for one device: bounded, whatever the device does."""

    def __init__(self) -> None:
        self._blocks: dict[str, list[bytes]] = {}

    def put(self, passing: EphemeralItem) -> None:
        """Let a piece wait; beyond 16 KiB of a block, only its newest."""
        waiting = self._blocks.setdefault(passing.block, [])
        waiting.append(passing.item)
        if sum(map(len, waiting)) > _BLOCK_BYTES:
            del waiting[:-1]
        while len(self._blocks) > _MOST_BLOCKS:
            del self._blocks[next(iter(self._blocks))]

    def take(self) -> Iterator[bytes]:
        """Yield all that waits, block by block, and let nothing wait."""
        blocks, self._blocks = self._blocks, {}
        for waiting in blocks.values():
            yield from waiting
