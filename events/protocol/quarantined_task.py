"""The fold of a quarantined task: only what people and operators do to it. Pure."""

from typing import Protocol, TypeVar, cast

import msgspec
from msgspec.structs import replace

from events import Recorded, TaskArchived, TaskCancelled, TaskErased, TaskInstructed


class _State(Protocol):
    """The fields used here of `events.protocol.task_state.TaskState`, which imports this module."""

    @property
    def version(self) -> int:
        """The last version folded."""
        ...


S = TypeVar("S", bound=_State)


def beyond(state: S, recorded: Recorded) -> S | None:
    """Apply the events of a person or an operator to a quarantined task, and nothing else."""
    if recorded.version <= state.version:
        return state
    changes: dict[str, object] = {"version": recorded.version, "updated_at": recorded.at}
    match recorded.event:
        case TaskErased():
            return None
        case TaskCancelled():
            changes |= {"phase": "cancelled", "since": recorded.at}
        case TaskArchived():
            changes["is_archived"] = True
        case TaskInstructed():
            changes["is_archived"] = False
        case _:
            pass
    return cast("S", replace(cast("msgspec.Struct", state), **changes))
