"""Changes of the state that events of several writers make. Pure."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from services.worker.agent.approvals.policy import Approvals
from services.worker.agent.state import AgentState, ModelState

Handler = Callable[[AgentState, Any], AgentState]
"""Applies the events of one type."""


def ignore(state: AgentState, _event: object) -> AgentState:
    """Return the state as it is: nothing of the event decides what is due."""
    return state


def fence_if(state: AgentState, *, is_fenced: bool) -> AgentState:
    """Fence this attempt off, if so: another one has taken over, or will."""
    if not is_fenced:
        return state
    return replace(state, attempt_status=replace(state.attempt_status, is_fenced=True))


def close_task(state: AgentState, ending: str) -> AgentState:
    """Close the task; this attempt leaves for the reason `ending`, if it is at work."""
    is_mine = state.attempt_status.is_started and not state.attempt_status.has_left
    lifecycle = replace(state.lifecycle, is_closed=True, ending=ending if is_mine else "")
    return drop_calls(replace(state, lifecycle=lifecycle, approvals=Approvals()), ending)


def drop_calls(state: AgentState, reason: str) -> AgentState:
    """Drop what is under way: its calls are not run, an answer of the model is not awaited."""
    dropped = (state.calls.dropped or reason) if state.calls.pending else ""
    return replace(
        state,
        model=replace(state.model, is_asked=False),
        calls=replace(state.calls, dropped=dropped),
    )


def with_progress(model: ModelState) -> ModelState:
    """Count the fruitless replies from zero: the model got somewhere, or now can."""
    return replace(model, fruitless=0)
