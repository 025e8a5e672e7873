"""Why a task is taken from its worker, and what ends that. Pure."""

from typing import Final, Literal

import msgspec

from events import Recorded, TaskAbandoned, TaskErased, TaskInstructed

Fenced = Literal["tampered", "history_too_large"]
TOO_LARGE: Final = "history_too_large"
FENCED: Final[tuple[Fenced, ...]] = ("tampered", TOO_LARGE)
"""Why a task is taken from its worker: it forged, or it put too much into the log."""


class Violation(msgspec.Struct, frozen=True):
    """What a task's worker did, and with the message at which sequence of the log."""

    sequence: int
    reason: Fenced
    detail: str


def settles(recorded: Recorded, violation: Violation, *, was_settled: bool) -> bool:
    """Return whether an event stands behind the violation and ends what was due because of it.

    A history that is too large stays so: an instruction is answered with the same end again.
    """
    if isinstance(recorded.event, TaskErased):
        return True
    if recorded.sequence < violation.sequence or violation.reason == TOO_LARGE:
        return False
    match recorded.event:
        case TaskAbandoned(reason="tampered"):
            return True
        case TaskInstructed():
            return was_settled
        case _:
            return False
