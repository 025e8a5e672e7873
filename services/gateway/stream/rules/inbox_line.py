"""Line of the inbox: a task in the few fields by which a list shows it. Pure."""

from typing import Final

from events.protocol.api.task_shapes import Approval, ExhaustedBudget, Question, TaskState
from events.protocol.frames import Ask, Line

MAX_TITLE_CHARACTERS: Final = 160
MAX_WHOLE_CHARACTERS: Final = 300
"""A command, or all options together, up to this length is small enough for a list."""

_OWNERS: Final = {"cost": "The task's", "person": "Your", "account": "The account's"}


def line_of(state: TaskState) -> Line:
    """Return a task's line."""
    return Line(
        task=state.id,
        version=state.version,
        phase=state.phase,
        title=state.title,
        waiting=state.waiting,
        cost_microusd=state.cost_microusd,
        updated_at=state.updated_at,
        repository=state.repository.url,
        submitted_at=state.submitted_at,
        since=state.since,
        asks=ask_of(state),
        retry_at=state.retry_at,
        budget_microusd=state.budget.cost_microusd if state.budget else 0,
        files_changed=state.files_changed,
        insertions=state.insertions,
        deletions=state.deletions,
        branch=state.branch,
        pull_request=state.pull_request,
        outcome=state.outcome,
        is_archived=state.is_archived,
    )


def ask_of(state: TaskState) -> Ask | None:
    """Return what a task asks of a person; None when it waits for nobody."""
    match state.waiting:
        case "question" if state.question:
            return _question(state.question)
        case "approval" if state.approval:
            return _approval(state.approval)
        case "budget":
            return Ask("budget", _limit(state.budget_exhausted))
        case "instruction":
            return Ask("instruction", "Stopped. It goes on with your next instruction.")
        case _:
            return None


def _question(question: Question) -> Ask:
    title = _one_line(question.text)
    is_whole = title == question.text and _is_short(*question.options)
    options = question.options if is_whole else ()
    return Ask("question", title, question.request, is_whole=is_whole, options=options)


def _approval(approval: Approval) -> Ask:
    title = _one_line(approval.title)
    if approval.diff or not approval.command or not _is_short(approval.command, approval.covers):
        return Ask("approval", title, approval.request, expires_at=approval.expires_at)
    return Ask(
        "approval",
        title,
        approval.request,
        is_whole=True,
        command=approval.command,
        covers=approval.covers,
        digest=approval.digest,
        expires_at=approval.expires_at,
    )


def _limit(met: ExhaustedBudget | None) -> str:
    match met:
        case None:
            return "A budget limit is reached."
        case ExhaustedBudget(scope="turns", limit=limit):
            return f"The task's limit of {limit} turns is reached."
        case ExhaustedBudget(scope="wall", limit=limit):
            return f"The task's limit of {_minutes(limit)} of work is reached."
        case ExhaustedBudget(scope=scope, limit=limit):
            return f"{_OWNERS[scope]} budget of ${limit / 1e6:,.2f} is spent."


def _minutes(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"  # noqa: PLR2004 - a minute


def _is_short(*texts: str) -> bool:
    return sum(map(len, texts)) <= MAX_WHOLE_CHARACTERS


def _one_line(text: str) -> str:
    """Join lines to one and cut it to what a row shows."""
    line = " ".join(text[: 4 * MAX_TITLE_CHARACTERS].split())
    if len(line) <= MAX_TITLE_CHARACTERS and len(text) <= 4 * MAX_TITLE_CHARACTERS:
        return line
    return line[: MAX_TITLE_CHARACTERS - 1].rstrip() + "…"
