"""Handlers of the scheduler's events: what became of the machines. Pure."""

from collections.abc import Mapping
from typing import Final

from events import (
    MachineDestroyed,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    TaskAbandoned,
)
from services.worker.agent.handlers.changes import Handler, close_task, fence_if, ignore
from services.worker.agent.state import AgentState


def _request_machine(state: AgentState, event: MachineRequested) -> AgentState:
    return fence_if(state, is_fenced=event.attempt > state.attempt.number)


def _lose_machine(state: AgentState, event: MachineLost | MachineDestroyed) -> AgentState:
    return fence_if(state, is_fenced=event.attempt == state.attempt.number)


def _abandon_task(state: AgentState, _event: TaskAbandoned) -> AgentState:
    return close_task(state, "abandoned")


HANDLERS: Final[Mapping[type, Handler]] = {
    MachineRequested: _request_machine,
    MachineStarted: ignore,
    MachineRefused: ignore,
    MachineLost: _lose_machine,
    MachineDestroyed: _lose_machine,
    TaskAbandoned: _abandon_task,
}
