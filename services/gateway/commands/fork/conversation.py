"""Account of a task's history for the agent of a fork: what was asked, said and done. Pure.

The agent's own blocks cannot be sent again under another history, as thinking is signed for what
came before it. Outputs of tools are left out: the fork has the files, and can look again.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from events import (
    CallId,
    ModelReplied,
    PlanItem,
    PlanUpdated,
    Recorded,
    SnapshotTaken,
    TaskCancelled,
    TaskFailed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
)
from events.protocol.api.tasks import MessageRole
from services.gateway.tasks.time_travel import conversation

MAX_CHARACTERS: Final = 24_000
_MAX_ENTRY: Final = 3_000
_MAX_EARLIER: Final = 8_000
_MAX_LOST_CALLS: Final = 20
_NAMES: Final[dict[MessageRole, str]] = {
    "person": "Person",
    "agent": "Agent",
    "question": "Agent asked",
    "answer": "Person answered",
    "summary": "Agent ended the work",
}
_MARKS: Final = {"pending": "[ ]", "active": "[>]", "done": "[x]"}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LEFT_OUT: Final = "[… {count} entries left out …]"


class _Entry(NamedTuple):
    version: int
    text: str


def account_of(history: Sequence[Recorded]) -> str:
    """Return the account of a history, at most 24,000 characters of it.

    What was asked first and what came last stay; what is left out in between is counted. Every
    line but the first of an entry is indented, so that no text passes for another's entry.
    """
    said = [_Entry(each.version, _said(each.role, each.text)) for each in conversation(history)]
    entries = sorted([*said, *_deeds(history)], key=lambda entry: entry.version)
    ending = [*_plan(history), *_lost_calls(history)]
    room = MAX_CHARACTERS - sum(len(line) + 1 for line in ending)
    lines = [*_earlier(history), *(entry.text for entry in entries)]
    return "\n".join([*_bounded(lines, room), *ending])


def _said(role: MessageRole, text: str) -> str:
    return f"{_NAMES[role]}: {_shortened(text, _MAX_ENTRY)}"


def _shortened(text: str, limit: int) -> str:
    """Return a text without control characters, indented, and cut in its middle at the limit."""
    clean = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.strip())
    if len(clean) > limit:
        half = limit // 2
        clean = f"{clean[:half]} [… {len(clean) - 2 * half} characters left out …] {clean[-half:]}"
    return clean.replace("\n", "\n  ")


def _earlier(history: Sequence[Recorded]) -> Iterator[str]:
    """Yield the account that the task itself began with, where it is a fork."""
    for recorded in history[:1]:
        match recorded.event:
            case TaskSubmitted(origin=origin) if origin is not None and origin.conversation:
                yield f"Before this: {_shortened(origin.conversation, _MAX_EARLIER)}"
            case _:
                pass


def _deeds(history: Sequence[Recorded]) -> Iterator[_Entry]:
    titles: dict[CallId, str] = {}
    for recorded in history:
        match recorded.event:
            case ToolStarted(call=call, title=title):
                titles[call] = _shortened(title, _MAX_ENTRY)
            case ToolCompleted(call=call, is_error=is_error, exit_code=code) if call in titles:
                how = f" (exit code {code})" if code else " (failed)" if is_error else ""
                yield _Entry(recorded.version, f"Done: {titles[call]}{how}")
            case ToolInterrupted(call=call) if call in titles:
                yield _Entry(recorded.version, f"Cut off: {titles[call]}")
            case ModelReplied(blob=blob) if blob is not None:
                yield _Entry(recorded.version, "Agent: [a reply too long to be repeated here]")
            case TaskInterrupted():
                yield _Entry(recorded.version, "Person interrupted the work.")
            case TaskCancelled(reason=reason):
                text = f"Person cancelled the task. {_shortened(reason, _MAX_ENTRY)}"
                yield _Entry(recorded.version, text.rstrip())
            case TaskFailed(detail=detail):
                yield _Entry(recorded.version, f"It failed: {_shortened(detail, _MAX_ENTRY)}")
            case _:
                pass


def _plan(history: Sequence[Recorded]) -> Iterator[str]:
    plans = (r.event.items for r in reversed(history) if isinstance(r.event, PlanUpdated))
    if items := next(plans, ()):
        text = "\n".join(_plan_line(item) for item in items)
        yield f"Plan as it stood:\n  {_shortened(text, _MAX_ENTRY)}"


def _plan_line(item: PlanItem) -> str:
    return f"{_MARKS[item.state]} {item.text}"


def _lost_calls(history: Sequence[Recorded]) -> Iterator[str]:
    """Yield the calls since the last snapshot that may have changed files."""
    titles: dict[CallId, str] = {}
    lost: list[str] = []
    for recorded in history:
        match recorded.event:
            case SnapshotTaken():
                lost = []
            case ToolStarted(call=call, title=title, command=command):
                titles[call] = title
                lost += [title] if command else []
            case ToolCompleted(call=call, diff=diff) if diff:
                lost.append(titles.get(call, ""))
            case _:
                pass
    if lost:
        text = "\n".join(f"- {title}" for title in lost[-_MAX_LOST_CALLS:])
        yield (
            "What these calls changed in files was not kept yet, so it is not in the files:\n"
            f"  {_shortened(text, _MAX_ENTRY)}"
        )


def _bounded(lines: Sequence[str], room: int) -> list[str]:
    """Keep the first line and as many of the last as there is room for."""
    if sum(len(line) + 1 for line in lines) <= room or not lines:
        return list(lines)
    room -= len(lines[0]) + len(_LEFT_OUT) + 2
    kept: list[str] = []
    for line in reversed(lines[1:]):
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    left_out = _LEFT_OUT.format(count=len(lines) - 1 - len(kept))
    return [lines[0], left_out, *reversed(kept)]
