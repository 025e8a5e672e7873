"""A task as it was: the fold of its history to a version or a moment. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import reduce

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    InstructionEdited,
    InstructionWithdrawn,
    ModelReplied,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    TaskFinished,
    TaskInstructed,
    TaskSubmitted,
)
from events.protocol.api.tasks import Message, MessageRole, PastTask
from events.protocol.quarantine import Broken, attempt
from events.protocol.task_state import evolve
from services.gateway.problems import Refused, refused

Moment = int | datetime


def moment(text: str) -> Moment:
    """Read `at`: a version (1, 2, 3 …) or an RFC 3339 time. Raises Refused (422)."""
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise refused(
            422,
            "at_invalid",
            "`at` must be a version (1, 2, 3 …) or an RFC 3339 time with its zone, such as "
            "2026-01-31T12:00:00Z (in a URL a `+` is spelt %2B).",
        )
    return time


def as_it_was(history: Sequence[Recorded], at: Moment | None) -> PastTask | None:
    """Fold a whole history to a version or a time (inclusive), or to its end.

    None when the history is of no task. A time means the last event stamped at or before it, and
    all before that one: writers' clocks may differ by a little, a history's order does not. Raises
    Refused (422) when there was nothing yet, or is no such version.
    """
    whole = reduce(evolve, history, None)
    if whole is None:
        return None
    prefix = history[: _length(history, at)]
    state = reduce(evolve, prefix, None)
    if state is None:
        raise refused(
            422, "at_too_early", f"The task begins at {_spelt(history[0].at)}, version 1."
        )
    return PastTask(state, list(conversation(prefix)), whole.version)


def _length(history: Sequence[Recorded], at: Moment | None) -> int:
    match at:
        case None:
            return len(history)
        case int(version):
            if version > history[-1].version:
                raise _too_late(history[-1])
            return sum(recorded.version <= version for recorded in history)
        case time:
            lengths = (n for n in range(len(history), 0, -1) if history[n - 1].at <= time)
            return next(lengths, 0)


def _too_late(last: Recorded) -> Refused:
    return refused(
        422, "at_too_late", f"The history ends at version {last.version} as yet, {_spelt(last.at)}."
    )


def _spelt(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def conversation(history: Sequence[Recorded]) -> Iterator[Message]:
    """Yield what people and the agent said to each other, oldest first."""
    changed = dict(_changed_instructions(history))
    for recorded in history:
        said = attempt(_said, recorded)
        if said is None or isinstance(said, Broken):
            continue
        role, text = said
        text = changed.get(recorded.version, text)
        if text:
            yield Message(recorded.version, recorded.at, role, text)


def _changed_instructions(history: Sequence[Recorded]) -> Iterator[tuple[int, str]]:
    """Return the text an instruction was given later, by its version; withdrawn, it has none."""
    for recorded in history:
        match recorded.event:
            case InstructionEdited(instruction=instruction, text=text):
                yield instruction, text
            case InstructionWithdrawn(instruction=instruction):
                yield instruction, ""
            case _:
                pass


def _said(recorded: Recorded) -> tuple[MessageRole, str] | None:
    match recorded.event:
        case TaskSubmitted(prompt=text):
            return "person", text
        case TaskInstructed(text=text):
            return "person", text
        case QuestionAsked(text=text):
            return "question", text
        case QuestionAnswered(text=text):
            return "answer", text
        case ApprovalRequested(title=title):
            return "question", f"May I? {title}"
        case ApprovalAnswered(verdict=verdict, reason=reason):
            return "answer", "Allowed." if verdict == "allow" else f"Not allowed. {reason}".strip()
        case ModelReplied(blocks=blocks):
            texts = (str(b.get("text", "")) for b in blocks if b.get("type") == "text")
            return "agent", "\n\n".join(text for text in texts if text)
        case TaskFinished(summary=text):
            return "summary", text
        case _:
            return None
