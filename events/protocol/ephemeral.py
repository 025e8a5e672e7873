"""Ephemeral items: pieces of text and output that are shown while they happen and stored nowhere.

The worker sends them on `live_subject`; they reach devices as they are, among the items of a frame.
"""

from typing import Literal

import msgspec

from events.ids import TaskId

EphemeralKind = Literal["text", "thinking", "output"]


class Ephemeral(msgspec.Struct, frozen=True, tag_field="t", tag="eph"):
    """One piece of a block. `offset` counts the characters of the block that came before it."""

    task: TaskId
    kind: EphemeralKind
    block: str
    offset: int
    text: str
