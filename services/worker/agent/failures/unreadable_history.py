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
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    WorkerEvent,
)
from events.protocol.quarantine import REASON, REMEDY, Broken, attempt
from services.worker.agent.evolve import evolve as evolve_readable
from services.worker.agent.state import AgentState, AttemptStatus, FoldPosition
from services.worker.agent.steps import Record, Rest


def evolve(state: AgentState, recorded: Recorded) -> AgentState:
    """Apply one event, whatever it is; a history that breaks the fold is unreadable from there."""
    if state.process.unreadable:
        return _evolve_unreadable(state, recorded)
    made = attempt(evolve_readable, state, recorded)
    return (
        _evolve_unreadable(mark_unreadable(state, made.reason), recorded)
        if isinstance(made, Broken)
        else made
    )


def mark_unreadable(state: AgentState, reason: str) -> AgentState:
    """Take note that this history cannot be acted on; the first reason stands."""
    unreadable = state.process.unreadable or reason
    return replace(state, process=replace(state.process, unreadable=unreadable))


def history_failure(reason: str) -> TaskFailed:
    """End a task whose history cannot be worked with."""
    detail = f"The worker cannot go on from this task's history: {reason}"
    return TaskFailed(reason=REASON, detail=detail, remedy=REMEDY)


def last_step(state: AgentState) -> Record | Rest:
    """Name what is due of an unreadable history: take it up, fail it, leave."""
    number, status = state.attempt.number, state.attempt_status
    is_closed = state.lifecycle.is_closed
    if status.is_over or (is_closed and not status.is_started):
        return Rest()
    facts: list[WorkerEvent] = []
    if not status.is_started:
        machine, build = state.attempt.machine, state.attempt.build
        facts.append(AttemptStarted(attempt=number, machine=machine, build=build))
    if not is_closed:
        facts.append(history_failure(state.process.unreadable))
    return Record((*facts, AttemptEnded(attempt=number, reason=REASON)))


def _evolve_unreadable(state: AgentState, recorded: Recorded) -> AgentState:
    position = FoldPosition(recorded.task, recorded.head, recorded.id, recorded.at)
    status = _attempt_status(state.attempt_status, recorded.event, state.attempt.number)
    lifecycle = state.lifecycle
    match recorded.event:
        case TaskInstructed():
            lifecycle = replace(lifecycle, is_closed=False)
        case TaskFinished() | TaskFailed() | TaskCancelled() | TaskAbandoned() | TaskErased():
            lifecycle = replace(lifecycle, is_closed=True)
        case _:
            pass
    return replace(state, position=position, attempt_status=status, lifecycle=lifecycle)


def _attempt_status(status: AttemptStatus, event: TaskEvent, mine: int) -> AttemptStatus:
    match event:
        case AttemptStarted(attempt=number):
            return replace(
                status,
                is_started=status.is_started or number == mine,
                is_fenced=status.is_fenced or number > mine,
            )
        case AttemptEnded(attempt=number):
            return replace(status, has_left=status.has_left or number == mine)
        case MachineRequested(attempt=number):
            return replace(status, is_fenced=status.is_fenced or number > mine)
        case MachineLost(attempt=number) | MachineDestroyed(attempt=number):
            return replace(status, is_fenced=status.is_fenced or number == mine)
        case TaskErased():
            return replace(status, is_fenced=True)
        case _:
            return status
