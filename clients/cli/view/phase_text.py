"""Texts for a task's phase and for the commands that answer or continue it."""

from typing import Final

from events.protocol.task_state import TaskState

_WAITING: Final = {
    "question": "your answer",
    "approval": "your approval",
    "budget": "a higher budget",
    "instruction": "your instruction",
}
_SHORT: Final = {"question": "answer"}


def format_phase(state: TaskState) -> str:
    """Return a task's phase and what it waits for."""
    if not state.waiting:
        return state.phase
    return f"{state.phase} for {_WAITING.get(state.waiting, state.waiting)}"


def answer_hint(state: TaskState) -> str:
    """Return the command that answers a task's pending request; empty when there is none."""
    if state.question:
        answer = "NUMBER" if state.question.options else '"…"'
        return f"`errand say {state.id} {answer}`"
    if state.approval:
        return f"`errand approve {state.id} {state.approval.request}` allows it, --deny denies it"
    return ""


def resume_hint(state: TaskState) -> str:
    """Return the command by which a task that waits for budget continues; empty for others."""
    return budget_hint(state.id) if state.waiting == "budget" else ""


def budget_hint(task: str) -> str:
    """Return the command that raises a task's budget, with an example of an amount."""
    return f"`errand budget {task} +2` raises its budget by $2"


def format_short_phase(state: TaskState) -> str:
    """Return a task's phase for a table column: `waiting: answer`."""
    if not state.waiting:
        return state.phase
    return f"{state.phase}: {_SHORT.get(state.waiting, state.waiting)}"
