"""Texts for a task's phase and for the commands that answer or continue it."""

from collections.abc import Mapping
from typing import Any, Final

_WAITING: Final = {
    "question": "your answer",
    "approval": "your approval",
    "budget": "a higher budget",
    "instruction": "your instruction",
}
_SHORT: Final = {"question": "answer"}


def format_phase(state: Mapping[str, Any]) -> str:
    """Return a task's phase and what it waits for."""
    waiting = str(state.get("waiting") or "")
    return f"{state['phase']}{' for ' + _WAITING.get(waiting, waiting) if waiting else ''}"


def answer_hint(state: Mapping[str, Any]) -> str:
    """Return the command that answers a task's pending request; empty when there is none."""
    task = state["id"]
    if question := state.get("question"):
        said = "NUMBER" if question.get("options") else '"…"'
        return f"`errand say {task} {said}`"
    if approval := state.get("approval"):
        return f"`errand approve {task} {approval['request']}` allows it, --deny denies it"
    return ""


def resume_hint(state: Mapping[str, Any]) -> str:
    """Return the command by which a task that waits for budget continues; empty for others."""
    return budget_hint(str(state["id"])) if state.get("waiting") == "budget" else ""


def budget_hint(task: str) -> str:
    """Return the command that raises a task's budget, with an example of an amount."""
    return f"`errand budget {task} +2` raises its budget by $2"


def format_short_phase(state: Mapping[str, Any]) -> str:
    """Return a task's phase for a table column: `waiting: answer`."""
    waiting = str(state.get("waiting") or "")
    return f"{state['phase']}: {_SHORT.get(waiting, waiting)}" if waiting else str(state["phase"])
