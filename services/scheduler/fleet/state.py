"""All tasks as the scheduler sees them, with their attempts and machines. Pure.

A fold of the log, plus what is not in it: heartbeats received, machines seen to be gone, calls that
must wait. `services.scheduler.fleet.plan` decides what follows.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Final

import msgspec
from msgspec.structs import replace

from events import (
    AccountId,
    AttemptEnded,
    EventId,
    Guest,
    Head,
    History,
    MachineDestroyed,
    MachineId,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    Recorded,
    SnapshotTaken,
    TaskAbandoned,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskId,
    TaskInstructed,
    TaskSubmitted,
)
from events.protocol import quarantine
from services.scheduler.fleet.violations import TOO_LARGE, Violation, settles


class AttemptStage(Enum):
    """The stage of an attempt at the Machines API."""

    REQUESTED = auto()  # the intent is in the log: there may be a machine
    REFUSED = auto()  # there is certainly none
    STARTED = auto()  # there is one
    CLOSED = auto()  # there is none any more


OUTAGES: Final = frozenset({"gateway_unreachable", "forge_unreachable", "object_store_unreachable"})
"""The reasons to end an attempt that another machine would not cure."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The newest attempt of a task; older ones are closed."""

    number: int
    name: str
    region: str
    guest: Guest
    deadline: datetime
    requested_at: datetime
    stage: AttemptStage = AttemptStage.REQUESTED
    machine: MachineId = MachineId("")
    started_at: datetime | None = None
    done_at: datetime | None = None  # the task ended during it
    left: str = ""  # the worker said goodbye, and why
    left_detail: str = ""  # in its own words
    refusals: int = 0
    refusal: str = ""
    refusal_detail: str = ""
    # Not in the log:
    heard_at: datetime | None = None
    start_noticed_at: datetime | None = None
    is_gone: bool = False  # the Machines API calls its machine destroyed
    reader_asked: int = 1
    reader_served: int = 1


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task. `attempts` counts since it was opened, by submission or a later instruction."""

    account: AccountId
    id: TaskId
    head: Head
    cause: EventId  # the newest event
    waiting_since: int  # the sequence of the event since which it waits
    is_open: bool = True
    attempt: Attempt | None = None
    attempts: int = 0
    outages: int = 0  # of these, how many left because something was away
    outage_since: datetime | None = None  # when the first in a row was lost, by a scheduler's clock
    lost_at: datetime | None = None  # when the newest was
    lost_why: str = ""
    retry_at: datetime | None = None
    is_violation_settled: bool = False  # it was said since it was opened, or the task is erased
    quarantine: str = ""  # why its history cannot be folded, or planned for, any further
    quarantined_at: int = 0  # the sequence of the event at which it broke, the same after a restart
    is_end_recorded: bool = False  # the history says so, or the task had ended before
    # Not in the log:
    is_busy: bool = False  # an effect is under way
    postponed_until: datetime | None = None

    @property
    def history(self) -> History:
        """The history this task is the fold of."""
        return History(self.account, self.id)

    @property
    def stage(self) -> AttemptStage:
        """The stage of the newest attempt; before the first one there is certainly no machine."""
        return self.attempt.stage if self.attempt else AttemptStage.CLOSED

    @property
    def is_quiet(self) -> bool:
        """True when nothing will be due until a new event comes."""
        is_over = self.is_end_recorded if self.quarantine else not self.is_open
        return is_over and self.stage in (AttemptStage.CLOSED, AttemptStage.REFUSED)


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """Every task up to `sequence`. Silence counts from `watching_since` at the earliest."""

    watching_since: datetime
    tasks: Mapping[TaskId, Task] = {}
    active: frozenset[TaskId] = frozenset()
    violations: Mapping[TaskId, Violation] = {}  # not in the log: partly of what is no event
    quarantined: frozenset[TaskId] = frozenset()
    sequence: int = 0


def evolve(fleet: Fleet, batch: Iterable[Recorded], *, heard_at: datetime) -> Fleet:
    """Apply facts in the order of their histories. One already applied changes nothing.

    `heard_at` is when they were read, by the scheduler's own clock. An event's `at` is of another
    machine's clock, and is never compared with this one's. A fact that breaks the fold quarantines
    its task and no other.
    """
    tasks = dict(fleet.tasks)
    touched: set[TaskId] = set()
    sequence, violations = fleet.sequence, fleet.violations
    for recorded in batch:
        sequence = max(sequence, recorded.sequence)
        before = tasks.get(recorded.task)
        task = _advanced(before, recorded, heard_at)
        if task is not None:
            tasks[task.id] = task
            touched.add(task.id)
            if task.id in violations and settles(
                recorded,
                violations[task.id],
                was_settled=before is not None and before.is_violation_settled,
            ):
                violations = {key: each for key, each in violations.items() if key != task.id}
    restless = {task for task in touched if not tasks[task].is_quiet}
    broken = {task for task in touched if tasks[task].quarantine}
    return replace(
        fleet,
        tasks=tasks,
        active=fleet.active - touched | restless,
        quarantined=fleet.quarantined | broken,
        violations=violations,
        sequence=sequence,
    )


def record_tampering(fleet: Fleet, task: TaskId, sequence: int, reason: str) -> Fleet:
    """Record a forged message in a task's history, known or not."""
    known = fleet.violations.get(task)
    if known is not None and known.reason == TOO_LARGE:
        return fleet
    return _violated(fleet, task, Violation(sequence, "tampered", reason))


def record_excess(fleet: Fleet, task: TaskId, sequence: int, detail: str) -> Fleet:
    """Record that a task has put more into the log than it may. It stays so until erased."""
    return _violated(fleet, task, Violation(sequence, TOO_LARGE, detail))


def _advanced(task: Task | None, recorded: Recorded, heard_at: datetime) -> Task | None:
    if task is not None and task.quarantine:
        return _beyond(task, recorded)
    made = quarantine.attempt(advance, task, recorded, heard_at)
    if not isinstance(made, quarantine.Broken):
        return made
    if task is None:
        return None
    broken = replace(
        task,
        quarantine=made.reason,
        quarantined_at=recorded.sequence,
        is_end_recorded=not task.is_open,
    )
    return _beyond(broken, recorded)


def _beyond(task: Task, recorded: Recorded) -> Task:
    """Apply to a quarantined task what ends or reopens it, and the end of its machine."""
    if recorded.version <= task.head.version and not isinstance(recorded.event, TaskErased):
        return task
    task = replace(task, head=recorded.head, cause=recorded.id)
    match recorded.event:
        case TaskInstructed():
            return replace(task, is_end_recorded=False)
        case TaskFinished() | TaskFailed() | TaskCancelled() | TaskAbandoned() | TaskErased():
            return replace(task, is_end_recorded=True)
        case MachineLost(attempt=number) | MachineDestroyed(attempt=number):
            return _at_attempt(task, number, stage=AttemptStage.CLOSED)
        case _:
            return task


def quarantine_task(fleet: Fleet, task: TaskId, reason: str) -> Fleet:
    """Quarantine a task that cannot be planned for; nothing but its end is planned from here on."""
    known = fleet.tasks[task]
    known = replace(
        known,
        quarantine=known.quarantine or reason,
        quarantined_at=known.quarantined_at or known.head.sequence,
        is_end_recorded=not known.is_open,
    )
    fleet = replace(fleet, quarantined=fleet.quarantined | {task})
    return _with(fleet, known)


def record_machine_closed(fleet: Fleet, task: TaskId) -> Fleet:
    """Record that the machine of a quarantined task is gone, though no fact can say so."""
    known = fleet.tasks[task]
    if known.attempt is None:
        return fleet
    return _with(fleet, _at_attempt(known, known.attempt.number, stage=AttemptStage.CLOSED))


def advance(task: Task | None, recorded: Recorded, heard_at: datetime) -> Task | None:
    """Apply one fact to its task. A history that does not begin with a submission is no task."""
    event = recorded.event
    if task is None:
        if not isinstance(event, TaskSubmitted):
            return None
        return Task(
            account=recorded.account,
            id=recorded.task,
            head=recorded.head,
            cause=recorded.id,
            waiting_since=recorded.sequence,
        )
    if recorded.version <= task.head.version and not isinstance(event, TaskErased):
        return task
    task = _heard_from(replace(task, head=recorded.head, cause=recorded.id), recorded, heard_at)
    match event:
        case TaskInstructed() if not task.is_open:
            return replace(
                task,
                is_open=True,
                waiting_since=recorded.sequence,
                attempts=0,
                outages=0,
                outage_since=None,
                retry_at=None,
                is_violation_settled=False,
            )
        case TaskAbandoned(reason="tampered" | "history_too_large") | TaskErased():
            return replace(_ended(task, heard_at), is_violation_settled=True)
        case TaskFinished() | TaskFailed() | TaskCancelled() | TaskAbandoned():
            return _ended(task, heard_at)
        case MachineRequested():
            return _requested(task, event, recorded.at)
        case MachineStarted(attempt=number):
            return _at_attempt(
                task,
                number,
                stage=AttemptStage.STARTED,
                machine=event.machine,
                started_at=recorded.at,
                start_noticed_at=heard_at,
            )
        case MachineRefused():
            return _refused(task, event)
        case MachineLost():
            return _lost(task, event, recorded)
        case SnapshotTaken():
            return replace(task, outage_since=None)  # all that a task needs was there
        case MachineDestroyed(attempt=number):
            return _at_attempt(task, number, stage=AttemptStage.CLOSED)
        case AttemptEnded(attempt=number, reason=reason, detail=detail):
            return _at_attempt(task, number, left=reason or "left", left_detail=detail)
        case _:
            return task


def record_heartbeat(
    fleet: Fleet, task: TaskId, attempt: int, *, at: datetime, reader: int = 1
) -> Fleet:
    """Record a heartbeat, and the reader it needs. An older attempt's is ignored."""
    return _observed(fleet, task, attempt, heard_at=at, reader_asked=reader)


def record_machine_gone(fleet: Fleet, task: TaskId, attempt: int) -> Fleet:
    """Record that the Machines API calls the attempt's machine destroyed."""
    return _observed(fleet, task, attempt, is_gone=True)


def record_reader(fleet: Fleet, task: TaskId, attempt: int, reader: int) -> Fleet:
    """Record that the requested reader exists."""
    return _observed(fleet, task, attempt, reader_served=reader)


def mark_busy(fleet: Fleet, task: TaskId) -> Fleet:
    """Record that an effect is under way; nothing else is due for the task meanwhile."""
    return _with(fleet, replace(fleet.tasks[task], is_busy=True))


def mark_idle(fleet: Fleet, task: TaskId, *, postponed_until: datetime | None = None) -> Fleet:
    """Record that the effect is over; nothing is due again before `postponed_until`."""
    changed = replace(fleet.tasks[task], is_busy=False, postponed_until=postponed_until)
    return _with(fleet, changed)


def _observed(fleet: Fleet, task: TaskId, attempt: int, **changes: object) -> Fleet:
    known = fleet.tasks.get(task)
    return fleet if known is None else _with(fleet, _at_attempt(known, attempt, **changes))


def _violated(fleet: Fleet, task: TaskId, violation: Violation) -> Fleet:
    return replace(fleet, violations={**fleet.violations, task: violation})


def _with(fleet: Fleet, task: Task) -> Fleet:
    return replace(fleet, tasks={**fleet.tasks, task.id: task})


def _at_attempt(task: Task, number: int, **changes: object) -> Task:
    """Change the newest attempt, if that is the one meant and it is not over."""
    attempt = task.attempt
    if attempt is None or attempt.number != number or attempt.stage is AttemptStage.CLOSED:
        return task
    return replace(task, attempt=replace(attempt, **changes))


def _heard_from(task: Task, recorded: Recorded, heard_at: datetime) -> Task:
    """Count a worker's fact as a sign of life."""
    if task.attempt and recorded.by == f"worker:{task.attempt.number}":
        return _at_attempt(task, task.attempt.number, heard_at=heard_at)
    return task


def _ended(task: Task, at: datetime) -> Task:
    attempt = task.attempt
    if attempt is not None and attempt.done_at is None:
        attempt = replace(attempt, done_at=at)
    return replace(task, is_open=False, attempt=attempt)


def _requested(task: Task, event: MachineRequested, at: datetime) -> Task:
    """Begin an attempt, one above the one before, or the same again; any other number is none."""
    again = task.attempt if task.attempt and task.attempt.number == event.attempt else None
    if again is None and event.attempt != (task.attempt.number + 1 if task.attempt else 1):
        return task
    attempt = Attempt(
        number=event.attempt,
        name=event.name,
        region=event.region,
        guest=event.guest,
        deadline=event.deadline,
        requested_at=at,
        refusals=again.refusals if again else 0,
    )
    return replace(task, attempt=attempt, attempts=task.attempts + (0 if again else 1))


def _lost(task: Task, event: MachineLost, recorded: Recorded) -> Task:
    """Close an attempt; one that left because of an outage is counted apart."""
    lost = _at_attempt(task, event.attempt, stage=AttemptStage.CLOSED)
    is_outage = lost is not task and lost.attempt is not None and lost.attempt.left in OUTAGES
    return replace(
        lost,
        waiting_since=recorded.sequence,
        retry_at=event.retry_at,
        outages=task.outages + is_outage,
        outage_since=(task.outage_since or recorded.at) if is_outage else None,
        lost_at=recorded.at,
        lost_why=": ".join(filter(None, (event.reason, event.detail))),
    )


def _refused(task: Task, event: MachineRefused) -> Task:
    if task.attempt is None:
        return task
    refused = _at_attempt(
        task,
        event.attempt,
        stage=AttemptStage.REFUSED,
        refusals=task.attempt.refusals + 1,
        refusal=event.reason,
        refusal_detail=event.detail,
    )
    return replace(refused, retry_at=event.retry_at)
