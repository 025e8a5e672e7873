"""The one place where a bug in the reading of one task's history is caught. Pure.

Everything that folds or plans works on many tasks in one process, and a worker writes part of what
they fold. Should a fold raise for one history, all others must go on: the task is put into
quarantine by whoever folds it, shown to its owner and to the operator, and nothing else of it is
folded by code that has shown to be wrong about it. Decision 11 says why this may catch everything.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar, TypeVarTuple

from events import Recorded

P = TypeVarTuple("P")
T = TypeVar("T")

MAX_REASON_CHARACTERS: Final = 300

REASON: Final = "history_unreadable"
"""The stable code of a task that failed because its history cannot be folded."""

REMEDY: Final = (
    "An operator finds it with `errand deadletters list`. After an upgrade that repairs it, send "
    "an instruction to go on. Until then the task can be cancelled and archived."
)


class Broken(NamedTuple):
    """The result of a step that raised: why."""

    reason: str


class Quarantined(NamedTuple):
    """An event at which the fold of its history broke, and why."""

    recorded: Recorded
    reason: str


def attempt(step: Callable[[*P], T], *args: *P) -> T | Broken:
    """Return what a pure step returns, or Broken when it raises anything at all.

    For folds and plans of one task only, never for an effect: a failed effect has names of its own.
    """
    try:
        return step(*args)
    except MemoryError:
        raise  # the process is at its end, whosever task it was
    except Exception as error:  # noqa: BLE001 - the one place; see the docstring
        return Broken(f"{type(error).__name__}: {error}"[:MAX_REASON_CHARACTERS])
