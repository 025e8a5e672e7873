"""Fold of a task's history into the agent's state: one handler per type of event. Pure.

A handler replaces the groups of the state that its event changes, and no other.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from events import Recorded, TaskErased
from services.worker.agent.budget import add_waiting_time
from services.worker.agent.handlers import gateway_events, scheduler_events, worker_events
from services.worker.agent.handlers.changes import Handler, fence_if
from services.worker.agent.state import AgentState, FoldPosition


def evolve(state: AgentState, recorded: Recorded) -> AgentState:
    """Apply one event. The caller sees to it that versions follow one another."""
    budget = state.budget
    if state.position.at is not None and state.is_for_a_person:
        seconds = (recorded.at - state.position.at).total_seconds()
        budget = add_waiting_time(budget, max(0.0, seconds))
    position = FoldPosition(recorded.task, recorded.head, recorded.id, recorded.at)
    state = replace(state, position=position, budget=budget)
    return HANDLERS[type(recorded.event)](state, recorded.event)


def _erase_task(state: AgentState, _event: TaskErased) -> AgentState:
    lifecycle = replace(state.lifecycle, is_closed=True)
    return fence_if(replace(state, lifecycle=lifecycle), is_fenced=True)


HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType(
    {
        **gateway_events.HANDLERS,
        **scheduler_events.HANDLERS,
        **worker_events.HANDLERS,
        TaskErased: _erase_task,
    }
)
"""The handler of each type of event: every one has its own, also where nothing is to be done."""
