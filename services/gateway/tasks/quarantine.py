"""The gateway's fold of a task, whatever its history: one that breaks it is quarantined. Pure.

A quarantined task can still be cancelled, archived and instructed: commands stay idempotent, and
nothing else of what follows in its history is folded.
"""

from types import MappingProxyType

from msgspec.structs import replace

from events import (
    CommandId,
    GatewayEvent,
    Recorded,
    TaskArchived,
    TaskCancelled,
    TaskErased,
    TaskInstructed,
)
from events.protocol.quarantine import Broken, attempt
from services.gateway.tasks.messages.instructions import Instruction
from services.gateway.tasks.task import Settled, Task
from services.gateway.tasks.task import evolve as fold


def evolve(task: Task, recorded: Recorded) -> Task:
    """Apply one event. Total: no history makes it raise."""
    if task.is_quarantined:
        return _beyond(task, recorded)
    made = attempt(fold, task, recorded)
    if isinstance(made, Broken):
        nothing = MappingProxyType[int, Instruction]({})
        return replace(_beyond(task, recorded), is_quarantined=True, instructions=nothing)
    return made


def _beyond(task: Task, recorded: Recorded) -> Task:
    if recorded.version <= task.version:
        return task
    task = replace(task, version=recorded.version)
    event = recorded.event
    if isinstance(event, GatewayEvent):
        settled = {**task.settled, CommandId(recorded.cause): Settled(recorded.version, event)}
        task = replace(task, settled=MappingProxyType(settled))
    match event:
        case TaskErased():
            return replace(task, end="erased")
        case TaskCancelled():
            return replace(task, end=task.end or "cancelled")
        case TaskArchived():
            return replace(task, is_archived=True)
        case TaskInstructed():
            return replace(task, end="", is_archived=False)
        case _:
            return task
