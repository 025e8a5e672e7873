"""A history that this worker cannot fold, or not act on: it ends as a failed task. Pure.

Another machine would fare no better, so the task fails with words for its owner instead of costing
one machine after the other.
"""

from msgspec.structs import replace

from events import (
    AttemptEnded,
    AttemptStarted,
    MachineDestroyed,
    MachineLost,
    MachineRequested,
    Recorded,
    TaskAbandoned,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    WorkerEvent,
)
from events.protocol.quarantine import REASON, REMEDY, Broken, attempt
from services.worker.agent.evolve import evolve as evolve_readable
from services.worker.agent.state import AgentState
from services.worker.agent.steps import Record, Rest


def evolve(state: AgentState, recorded: Recorded) -> AgentState:
    """Apply one event, whatever it is; a history that breaks the fold is unreadable from there."""
    if state.unreadable:
        return _evolve_unreadable(state, recorded)
    made = attempt(evolve_readable, state, recorded)
    return (
        _evolve_unreadable(mark_unreadable(state, made.reason), recorded)
        if isinstance(made, Broken)
        else made
    )


def mark_unreadable(state: AgentState, reason: str) -> AgentState:
    """Take note that this history cannot be acted on; the first reason stands."""
    return replace(state, unreadable=state.unreadable or reason)


def history_failure(reason: str) -> TaskFailed:
    """End a task whose history cannot be worked with."""
    detail = f"The worker cannot go on from this task's history: {reason}"
    return TaskFailed(reason=REASON, detail=detail, remedy=REMEDY)


def last_step(state: AgentState) -> Record | Rest:
    """Name what is due of an unreadable history: take it up, fail it, leave."""
    number = state.attempt.number
    if state.is_fenced or state.has_left or (state.is_closed and not state.is_started):
        return Rest()
    facts: list[WorkerEvent] = []
    if not state.is_started:
        machine, build = state.attempt.machine, state.attempt.build
        facts.append(AttemptStarted(attempt=number, machine=machine, build=build))
    if not state.is_closed:
        facts.append(history_failure(state.unreadable))
    return Record((*facts, AttemptEnded(attempt=number, reason=REASON)))


def _evolve_unreadable(state: AgentState, recorded: Recorded) -> AgentState:
    mine = state.attempt.number
    state = replace(state, task=recorded.task, head=recorded.head, last=recorded.id, at=recorded.at)
    match recorded.event:
        case AttemptStarted(attempt=number):
            is_fenced = state.is_fenced or number > mine
            return replace(
                state, is_started=state.is_started or number == mine, is_fenced=is_fenced
            )
        case AttemptEnded(attempt=number):
            return replace(state, has_left=state.has_left or number == mine)
        case MachineRequested(attempt=number):
            return replace(state, is_fenced=state.is_fenced or number > mine)
        case MachineLost(attempt=number) | MachineDestroyed(attempt=number):
            return replace(state, is_fenced=state.is_fenced or number == mine)
        case TaskErased():
            return replace(state, is_closed=True, is_fenced=True)
        case TaskInstructed():
            return replace(state, is_closed=False)
        case TaskFinished() | TaskFailed() | TaskCancelled() | TaskAbandoned():
            return replace(state, is_closed=True)
        case _:
            return state
