"""The state of a task as the live loop knows it, with the last event folded into it."""

from typing import Final, NamedTuple

import msgspec

from events import NOWHERE, Head, Recorded
from events.protocol.task_state import TaskState, evolve
from infra.log.jetstream import follows
from services.projector.projections.task import decode


class LiveState(NamedTuple):
    """The fold of a history up to `head`. No state: erased, or never submitted.

    It is proven when this process has seen, or read, the whole history up to there.
    """

    state: TaskState | None
    head: Head
    is_proven: bool

    def after(self, recorded: Recorded) -> "LiveState | None":
        """Fold the history's next event; None when this is not the next."""
        if not follows(self.head.version, recorded):
            return None
        return LiveState(evolve(self.state, recorded), recorded.head, self.is_proven)


UNKNOWN: Final = LiveState(None, NOWHERE, is_proven=False)


def decode_live_state(state: bytes | str | None, sequence: bytes | str | None) -> LiveState:
    """Decode the state that Redis has of a task; UNKNOWN when it is unusable.

    So is one that an older version folded: the history is read, and what is missing comes of it.
    """
    if state is None or sequence is None:
        return UNKNOWN
    try:
        known = decode(state)
        if known.is_outdated:
            return UNKNOWN
        return LiveState(known, Head(known.version, int(sequence)), is_proven=False)
    except (msgspec.MsgspecError, ValueError):  # another version's
        return UNKNOWN
