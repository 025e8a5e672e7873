"""What a person should see of a task on a lock screen, folded from its history. Pure.

A task shows at most one notification, its newest; so everything sent for a task collapses into one
(Topic, apns-collapse-id, collapse_key and tag are all the task's id). An event is worth a push when
it changes the notice, and a push is still worth sending while its version is the notice's.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from events import (
    PersonId,
    Recorded,
    TaskCancelled,
    TaskErased,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
)
from events.codec import tag_of
from events.display import plain
from events.protocol.task_state import title_of

PushClass = Literal["needs_input", "done", "failed", "withdrawn", "test"]

_PERSON: Final = "person:"
_LONGEST_TITLE: Final = 80


class Ask(NamedTuple):
    """Something the task waits for: of what kind, and which one where there may be several."""

    kind: str
    request: str = ""


ASKS: Final[Mapping[str, Ask]] = {
    "question.asked": Ask("question", "request"),
    "approval.requested": Ask("approval", "request"),
    "budget.exhausted": Ask("budget"),
}
"""By tag: what the event asks for, and the field that names which one."""

SETTLES: Final[Mapping[str, Ask]] = {
    "question.answered": Ask("question", "request"),
    "approval.answered": Ask("approval", "request"),
    "budget.raised": Ask("budget"),
}
"""By tag: what the event answers."""

ENDS: Final[Mapping[str, PushClass]] = {
    "task.finished": "done",
    "task.failed": "failed",
    "task.abandoned": "failed",
}
"""By tag: the ends that a person is told of. Who cancelled knows it already."""


class Notice(msgspec.Struct, frozen=True):
    """What to show since `version`. `about` is the event's tag; withdrawn means: nothing."""

    version: int = 0
    push_class: PushClass = "withdrawn"
    about: str = ""


class NotificationState(msgspec.Struct, frozen=True):
    """What pushes need to know of a task. `open_asks` are the asks nobody has settled yet."""

    title: str = ""
    submitter: str = ""
    instructor: str = ""
    open_asks: frozenset[Ask] = frozenset()
    has_ended: bool = False
    notice: Notice = Notice()

    @property
    def audience(self) -> frozenset[PersonId]:
        """Whom it concerns: who submitted the task, and who instructed it last."""
        return frozenset(PersonId(name) for name in (self.submitter, self.instructor) if name)


EMPTY_STATE: Final = NotificationState()


def fold_history(history: Sequence[Recorded]) -> NotificationState:
    """Fold a history from its beginning."""
    return fold_notices(EMPTY_STATE, history)


def fold_notices(tale: NotificationState, events: Sequence[Recorded]) -> NotificationState:
    """Apply events that follow."""
    return reduce(evolve, events, tale)


def concerns(recorded: Recorded) -> bool:
    """Tell whether an event may change a notice, without knowing what went before it."""
    event = recorded.event
    tag = tag_of(event)
    changes = TaskInstructed | TaskInterrupted | TaskCancelled
    return tag in ASKS or tag in SETTLES or tag in ENDS or isinstance(event, changes)


def evolve(tale: NotificationState, recorded: Recorded) -> NotificationState:
    """Apply one event. Total: no history makes it raise."""
    event, tag = recorded.event, tag_of(recorded.event)
    if isinstance(event, TaskSubmitted):
        title = _cut(event.title or title_of(event.prompt))
        return NotificationState(title=title, submitter=_person(recorded.by))
    if isinstance(event, TaskErased):
        return EMPTY_STATE
    if isinstance(event, TaskInstructed):
        tale = replace(tale, instructor=_person(recorded.by) or tale.instructor)
        if tale.has_ended:
            return _withdraw(replace(tale, has_ended=False), recorded, frozenset())
        settled = _of_kind(tale, "question") if event.mode == "steer" else frozenset()
        return _withdraw(tale, recorded, tale.open_asks - settled)
    if tale.has_ended:
        return tale
    if isinstance(event, TaskInterrupted | TaskCancelled):
        tale = replace(tale, has_ended=isinstance(event, TaskCancelled))
        return _withdraw(tale, recorded, frozenset())
    if tag in ENDS:
        notice = Notice(recorded.version, ENDS[tag], tag)
        return replace(tale, has_ended=True, open_asks=frozenset(), notice=notice)
    if tag in ASKS:
        return _asked(tale, recorded, _ask(ASKS[tag], event))
    if tag in SETTLES:
        return _withdraw(tale, recorded, tale.open_asks - {_ask(SETTLES[tag], event)})
    return tale


def _asked(tale: NotificationState, recorded: Recorded, ask: Ask) -> NotificationState:
    """Note an ask. A worker that takes a task up again asks again: that is no news."""
    if ask in tale.open_asks:
        return tale
    notice = Notice(recorded.version, "needs_input", tag_of(recorded.event))
    return replace(tale, open_asks=tale.open_asks | {ask}, notice=notice)


def _withdraw(
    tale: NotificationState, recorded: Recorded, still_open: frozenset[Ask]
) -> NotificationState:
    """Take the notice back when nothing is asked any more; while something is, it stays true."""
    tale = replace(tale, open_asks=still_open)
    if still_open or tale.notice.push_class == "withdrawn":
        return tale
    return replace(tale, notice=Notice(recorded.version, "withdrawn", tag_of(recorded.event)))


def _ask(ask: Ask, event: object) -> Ask:
    return Ask(ask.kind, str(getattr(event, ask.request, "")) if ask.request else "")


def _of_kind(tale: NotificationState, kind: str) -> frozenset[Ask]:
    return frozenset(ask for ask in tale.open_asks if ask.kind == kind)


def _person(by: str) -> str:
    return by.removeprefix(_PERSON) if by.startswith(_PERSON) else ""


def _cut(title: str) -> str:
    line = " ".join(plain(title).split())
    return line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1].rstrip() + "…"
