"""Violations: why a task is taken from its worker, and what settles that. Pure."""

from typing import Final, Literal

import msgspec

from events import Recorded, TaskAbandoned, TaskErased, TaskInstructed

FencingReason = Literal["tampered", "history_too_large"]
TOO_LARGE: Final = "history_too_large"
FENCING_REASONS: Final[tuple[FencingReason, ...]] = ("tampered", TOO_LARGE)
"""The reasons to take a task from its worker: forged events, or too much in the log."""


class Violation(msgspec.Struct, frozen=True):
    """A violation by a task's worker, with the message at this sequence of the log."""

    sequence: int
    reason: FencingReason
    detail: str


def settles(recorded: Recorded, violation: Violation, *, was_settled: bool) -> bool:
    """Return whether an event settles the violation.

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
