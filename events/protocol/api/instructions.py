"""Instructions that the agent has not taken up yet, as a task's state shows them. Pure."""

from typing import Final

import msgspec
from msgspec.structs import replace

from events import (
    InstructionEdited,
    InstructionMode,
    InstructionWithdrawn,
    ModelRequested,
    Recorded,
    TaskInstructed,
)
from events.plain_text import title_of

CHANGES: Final = frozenset(
    {TaskInstructed, InstructionEdited, InstructionWithdrawn, ModelRequested}
)
"""The events that change what waits."""


class WaitingInstruction(msgspec.Struct, frozen=True):
    """An instruction that can still be edited or withdrawn.

    `version` is that of its `task.instructed`, and names it; `title` is the beginning of its text.
    """

    version: int
    mode: InstructionMode
    title: str


Waiting = tuple[WaitingInstruction, ...]


def is_taken_by(mode: InstructionMode, event: ModelRequested) -> bool:
    """Return whether an instruction of this mode, given before the request, is part of it."""
    return mode == "steer" or not event.leaves_queued


def evolve(waiting: Waiting, recorded: Recorded) -> Waiting:
    """Apply one event."""
    match recorded.event:
        case TaskInstructed(text=text, mode=mode):
            return (*waiting, WaitingInstruction(recorded.version, mode, title_of(text)))
        case InstructionEdited(instruction=instruction, text=text):
            title = title_of(text)
            return tuple(
                replace(each, title=title) if each.version == instruction else each
                for each in waiting
            )
        case InstructionWithdrawn(instruction=instruction):
            return tuple(each for each in waiting if each.version != instruction)
        case ModelRequested() as event:
            return tuple(each for each in waiting if not is_taken_by(each.mode, event))
        case _:
            return waiting
