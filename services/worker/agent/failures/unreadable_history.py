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
from services.worker.agent.evolve import evolve as fold
from services.worker.agent.state import Turn
from services.worker.agent.steps import Record, Rest


def evolve(turn: Turn, recorded: Recorded) -> Turn:
    """Apply one event, whatever it is; a history that breaks the fold is unreadable from there."""
    if turn.unreadable:
        return _beyond(turn, recorded)
    made = attempt(fold, turn, recorded)
    return _beyond(spoilt(turn, made.reason), recorded) if isinstance(made, Broken) else made


def spoilt(turn: Turn, reason: str) -> Turn:
    """Take note that this history cannot be acted on; the first reason stands."""
    return replace(turn, unreadable=turn.unreadable or reason)


def failed(reason: str) -> TaskFailed:
    """End a task whose history cannot be worked with."""
    detail = f"The worker cannot go on from this task's history: {reason}"
    return TaskFailed(reason=REASON, detail=detail, remedy=REMEDY)


def last_step(turn: Turn) -> Record | Rest:
    """Name what is due of an unreadable history: take it up, fail it, leave."""
    number = turn.attempt.number
    if turn.is_fenced or turn.has_left or (turn.is_closed and not turn.is_started):
        return Rest()
    facts: list[WorkerEvent] = []
    if not turn.is_started:
        machine, build = turn.attempt.machine, turn.attempt.build
        facts.append(AttemptStarted(attempt=number, machine=machine, build=build))
    if not turn.is_closed:
        facts.append(failed(turn.unreadable))
    return Record((*facts, AttemptEnded(attempt=number, reason=REASON)))


def _beyond(turn: Turn, recorded: Recorded) -> Turn:
    mine = turn.attempt.number
    turn = replace(turn, task=recorded.task, head=recorded.head, last=recorded.id, at=recorded.at)
    match recorded.event:
        case AttemptStarted(attempt=number):
            is_fenced = turn.is_fenced or number > mine
            return replace(turn, is_started=turn.is_started or number == mine, is_fenced=is_fenced)
        case AttemptEnded(attempt=number):
            return replace(turn, has_left=turn.has_left or number == mine)
        case MachineRequested(attempt=number):
            return replace(turn, is_fenced=turn.is_fenced or number > mine)
        case MachineLost(attempt=number) | MachineDestroyed(attempt=number):
            return replace(turn, is_fenced=turn.is_fenced or number == mine)
        case TaskErased():
            return replace(turn, is_closed=True, is_fenced=True)
        case TaskInstructed():
            return replace(turn, is_closed=False)
        case TaskFinished() | TaskFailed() | TaskCancelled() | TaskAbandoned():
            return replace(turn, is_closed=True)
        case _:
            return turn
