"""The guard against a model that replies and gets nowhere: every reply is paid for. Pure."""

from typing import Final

from events import TaskFailed
from services.worker.agent.state import ModelState

MAX_NUDGES: Final = 3
"""Times in a row that the model is asked to go on after a reply without a call or an end."""

MAX_FRUITLESS: Final = 25
"""Replies in a row that may have no call that succeeds."""

_REASONS: Final = {
    "max_tokens": "each was cut at its greatest length",
    "tool_use": "each announced a tool call and held none",
    "pause_turn": "each paused",
}


def stall_failure(model: ModelState) -> TaskFailed | None:
    """Return the end of a task whose model gets nowhere; None while it may go on."""
    stop_reason = model.reply.stop_reason if model.reply else ""
    if model.nudges > MAX_NUDGES:
        return _failed(model.nudges, _REASONS.get(stop_reason, "each was empty"))
    if model.fruitless >= MAX_FRUITLESS:
        return _failed(model.fruitless, "none of its tool calls succeeded")
    return None


def _failed(replies: int, what: str) -> TaskFailed:
    return TaskFailed(
        reason="model_stalled",
        detail=f"The model replied {replies} times in a row without getting any further: {what}.",
        remedy=(
            "Write to the task what to do next, in smaller steps; or send it again with another "
            "model."
        ),
    )
