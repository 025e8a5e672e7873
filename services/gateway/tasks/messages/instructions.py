"""Instructions to a task, and whether they can still be changed. Pure.

An instruction waits until the worker asks the model with it: the worker's `model.requested` says
so in the log. Whoever is too late learns what happened instead, and when.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

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
from events.protocol.api.instructions import is_taken_by
from services.gateway.problems import Refused, not_found, refused

Instructions = Mapping[int, "Instruction"]
"""By the version of their `task.instructed`."""


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction, and what became of it: `version` and `at` are of the event that says so.

    `resumes`: it took up a task that had ended, was stopped, or waited for a person.
    """

    mode: InstructionMode
    version: int
    at: datetime
    resumes: bool = False
    fate: Literal["waiting", "taken", "withdrawn"] = "waiting"


def evolve(known: Instructions, recorded: Recorded, *, resumes: bool) -> Instructions:
    """Apply one event. `resumes`: an instruction takes the task up, as it stood before it."""
    version, at = recorded.version, recorded.at
    match recorded.event:
        case TaskInstructed(mode=mode):
            new = Instruction(mode=mode, version=version, at=at, resumes=resumes)
            return MappingProxyType({**known, version: new})
        case InstructionEdited(instruction=name) if name in known:
            edited = replace(known[name], version=version, at=at)
            return MappingProxyType({**known, name: edited})
        case InstructionWithdrawn(instruction=name) if name in known:
            gone = replace(known[name], version=version, at=at, fate="withdrawn")
            return MappingProxyType({**known, name: gone})
        case ModelRequested() as event:
            taken = {
                name: replace(each, version=version, at=at, fate="taken")
                for name, each in known.items()
                if each.fate == "waiting" and is_taken_by(each.mode, event)
            }
            return MappingProxyType({**known, **taken}) if taken else known
        case _:
            return known


def require_editable(known: Instructions, name: int) -> None:
    """Refuse (404, 409) to edit what is no instruction, was withdrawn, or was taken up."""
    one = known.get(name)
    if one is None:
        raise not_found("instruction")
    if one.fate == "taken":
        raise _taken(one)
    if one.fate == "withdrawn":
        raise refused(
            409,
            "instruction_withdrawn",
            f"This instruction was withdrawn at {_when(one)}. Send it as a new one.",
        )


def withdrawn_at(known: Instructions, name: int, *, is_stopped: bool) -> int:
    """Return the version at which an instruction was withdrawn already; 0 while it waits.

    `is_stopped`: the task has ended or was interrupted since. Raises Refused: 404 for what is no
    instruction, 409 for one that was taken up, or that alone keeps the task at work.
    """
    one = known.get(name)
    if one is None:
        raise not_found("instruction")
    if one.fate == "withdrawn":
        return one.version
    if one.fate == "taken":
        raise _taken(one)
    if one.resumes and not is_stopped:
        raise refused(
            409,
            "instruction_resumed_task",
            "This instruction took the task up again, so the task would go on without it. Edit "
            "it, or interrupt or cancel the task and then withdraw it.",
        )
    return 0


def _taken(one: Instruction) -> Refused:
    return refused(
        409,
        "instruction_taken",
        f"The agent took this instruction up at {_when(one)}. Send another instruction to say "
        "something else.",
    )


def _when(one: Instruction) -> str:
    return f"{one.at:%Y-%m-%d %H:%M:%S} UTC"
