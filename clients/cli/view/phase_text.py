"""Words for what the gateway says of a task. Pure."""

from collections.abc import Mapping
from typing import Any, Final

_WAITING: Final = {
    "question": "your answer",
    "approval": "your approval",
    "budget": "a higher budget",
    "instruction": "your instruction",
}
_SHORT: Final = {"question": "answer"}


def phase_of(state: Mapping[str, Any]) -> str:
    """Name a task's phase, and what it waits for."""
    waiting = str(state.get("waiting") or "")
    return f"{state['phase']}{' for ' + _WAITING.get(waiting, waiting) if waiting else ''}"


def how_to_answer(state: Mapping[str, Any]) -> str:
    """Name the command that answers what a task asks; empty when it asks nothing."""
    task = state["id"]
    if question := state.get("question"):
        said = "NUMBER" if question.get("options") else '"…"'
        return f"`errand say {task} {said}`"
    if approval := state.get("approval"):
        return f"`errand approve {task} {approval['request']}` allows it, --deny refuses it"
    return ""


def how_to_go_on(state: Mapping[str, Any]) -> str:
    """Return the command by which a task that waits at its budget goes on; empty for others."""
    return raise_budget(str(state["id"])) if state.get("waiting") == "budget" else ""


def raise_budget(task: str) -> str:
    """Return the command that raises a task's budget, with an example of an amount."""
    return f"`errand budget {task} +2` lets it spend $2 more"


def short_phase_of(state: Mapping[str, Any]) -> str:
    """Name a task's phase in a column: `waiting: answer`."""
    waiting = str(state.get("waiting") or "")
    return f"{state['phase']}: {_SHORT.get(waiting, waiting)}" if waiting else str(state["phase"])
