"""Notification state of a task, folded from its history: what a lock screen should show. Pure.

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
from events.plain_text import plain, title_of

PushClass = Literal["needs_input", "done", "failed", "withdrawn", "test"]

_PERSON: Final = "person:"
_MAX_TITLE_CHARACTERS: Final = 80


class Ask(NamedTuple):
    """A request the task waits for: its kind, and its id where there may be several."""

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
"""By tag: the ends of which a person is notified. Who cancelled knows it already."""


class Notice(msgspec.Struct, frozen=True):
    """Notification to show since `version`. `about` is the event's tag; withdrawn means: none.

    `ask` is what is asked, or what was settled; `verdict` is how an approval was answered.
    """

    version: int = 0
    push_class: PushClass = "withdrawn"
    about: str = ""
    ask: Ask | None = None
    verdict: str = ""


class NotificationState(msgspec.Struct, frozen=True):
    """State of a task for pushes. `open_asks` are its unanswered requests."""

    title: str = ""
    submitter: str = ""
    instructor: str = ""
    open_asks: frozenset[Ask] = frozenset()
    has_ended: bool = False
    notice: Notice = Notice()

    @property
    def audience(self) -> frozenset[PersonId]:
        """Recipients: who submitted the task, and who instructed it last."""
        return frozenset(PersonId(name) for name in (self.submitter, self.instructor) if name)

    @property
    def shown_ask(self) -> Ask | None:
        """The request that a notification leads to: its own, or another while that is answered."""
        if self.notice.push_class != "needs_input" or self.notice.ask in self.open_asks:
            return self.notice.ask
        return min(self.open_asks, default=self.notice.ask)


EMPTY_STATE: Final = NotificationState()


def fold_history(history: Sequence[Recorded]) -> NotificationState:
    """Fold a history from its beginning."""
    return fold_notices(EMPTY_STATE, history)


def fold_notices(state: NotificationState, events: Sequence[Recorded]) -> NotificationState:
    """Apply events that follow."""
    return reduce(evolve, events, state)


def concerns(recorded: Recorded) -> bool:
    """Return whether an event may change a notice, without knowing the history before it."""
    event = recorded.event
    tag = tag_of(event)
    changes = TaskInstructed | TaskInterrupted | TaskCancelled
    return tag in ASKS or tag in SETTLES or tag in ENDS or isinstance(event, changes)


def evolve(state: NotificationState, recorded: Recorded) -> NotificationState:
    """Apply one event. Total: no history makes it raise."""
    event, tag = recorded.event, tag_of(recorded.event)
    if isinstance(event, TaskSubmitted):
        title = _cut(event.title or title_of(event.prompt))
        return NotificationState(title=title, submitter=_person(recorded.by))
    if isinstance(event, TaskErased):
        return EMPTY_STATE
    if isinstance(event, TaskInstructed):
        state = replace(state, instructor=_person(recorded.by) or state.instructor)
        if state.has_ended:
            return _withdraw(replace(state, has_ended=False), recorded, frozenset())
        settled = _of_kind(state, "question") if event.mode == "steer" else frozenset()
        return _withdraw(state, recorded, state.open_asks - settled)
    if state.has_ended:
        return state
    if isinstance(event, TaskInterrupted | TaskCancelled):
        state = replace(state, has_ended=isinstance(event, TaskCancelled))
        return _withdraw(state, recorded, frozenset())
    if tag in ENDS:
        notice = Notice(recorded.version, ENDS[tag], tag)
        return replace(state, has_ended=True, open_asks=frozenset(), notice=notice)
    if tag in ASKS:
        return _asked(state, recorded, _ask(ASKS[tag], event))
    if tag in SETTLES:
        settles = _ask(SETTLES[tag], event)
        return _withdraw(state, recorded, state.open_asks - {settles}, settles=settles)
    return state


def _asked(state: NotificationState, recorded: Recorded, ask: Ask) -> NotificationState:
    """Add a request. A worker that resumes a task asks again: that changes nothing."""
    if ask in state.open_asks:
        return state
    notice = Notice(recorded.version, "needs_input", tag_of(recorded.event), ask)
    return replace(state, open_asks=state.open_asks | {ask}, notice=notice)


def _withdraw(
    state: NotificationState,
    recorded: Recorded,
    still_open: frozenset[Ask],
    *,
    settles: Ask | None = None,
) -> NotificationState:
    """Withdraw the notice when no request is open any more."""
    state = replace(state, open_asks=still_open)
    if still_open or state.notice.push_class == "withdrawn":
        return state
    verdict = str(getattr(recorded.event, "verdict", ""))
    tag = tag_of(recorded.event)
    return replace(state, notice=Notice(recorded.version, "withdrawn", tag, settles, verdict))


def _ask(ask: Ask, event: object) -> Ask:
    return Ask(ask.kind, str(getattr(event, ask.request, "")) if ask.request else "")


def _of_kind(state: NotificationState, kind: str) -> frozenset[Ask]:
    return frozenset(ask for ask in state.open_asks if ask.kind == kind)


def _person(by: str) -> str:
    return by.removeprefix(_PERSON) if by.startswith(_PERSON) else ""


def _cut(title: str) -> str:
    line = " ".join(plain(title).split())
    return (
        line
        if len(line) <= _MAX_TITLE_CHARACTERS
        else line[: _MAX_TITLE_CHARACTERS - 1].rstrip() + "…"
    )
