"""The plan: when a machine is started, replaced or destroyed, and a task abandoned. Pure.

Starting, retrying and recovering are the same lines: a scheduler that died in the middle and one
that never began plan the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec.structs import replace

from events import AccountId, Guest, Head, History, MachineRequested, TaskAbandoned, TaskId
from events.protocol import quarantine
from events.protocol.quarantine import REASON, REMEDY, Broken
from services.scheduler.fleet.machine_errors import lost_remedy_of, outage_remedy_of, remedy_of
from services.scheduler.fleet.state import OUTAGES, Attempt, AttemptStage, Fleet, Task
from services.scheduler.fleet.violations import TOO_LARGE, Violation

Cause = Literal["ended", "exited", "silent", "deadline", "tampered", "history_too_large"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of the fleet. Regions in the order they are tried."""

    regions: tuple[str, ...]
    guest: Guest
    silence_seconds: float = 30.0
    start_seconds: float = 120.0  # from the machine's start to the first heartbeat
    shutdown_grace_seconds: float = 5.0  # from a task's end to its machine's
    machine_seconds: float = 4 * 3600.0
    deadline_grace_seconds: float = 60.0
    backoff_seconds: tuple[float, ...] = (1.0, 30.0, 120.0)
    attempts: int = 3
    outages: int = 12
    outage_seconds: float = 4 * 3600.0  # from the first attempt that an outage cost to the last
    refusals: int = 8
    tasks_per_account: int = 5
    tasks_at_once: int = 50

    def backoff(self, number: int) -> timedelta:
        """Return how long to wait after the `number`-th failure (1, 2, 3 …)."""
        return timedelta(seconds=self.backoff_seconds[min(number, len(self.backoff_seconds)) - 1])


class Request(msgspec.Struct, frozen=True):
    """Append the intent, then obtain the machine."""

    history: History
    head: Head
    fact: MachineRequested


class Resume(msgspec.Struct, frozen=True):
    """The intent stands in the log without an outcome: look for the machine, or obtain it."""

    history: History
    attempt: Attempt


class Destroy(msgspec.Struct, frozen=True):
    """Make certain that the attempt's machine is gone."""

    history: History
    attempt: Attempt
    cause: Cause


class Abandon(msgspec.Struct, frozen=True):
    """Append that the task is abandoned."""

    history: History
    head: Head
    fact: TaskAbandoned


class ServeReader(msgspec.Struct, frozen=True):
    """Give the worker a new reader of its history."""

    history: History
    attempt: int
    reader: int


class Quarantine(msgspec.Struct, frozen=True):
    """Plan nothing more for this task but its end: planning for it broke."""

    history: History
    reason: str


Decision = Request | Resume | Destroy | Abandon | ServeReader


def plan(fleet: Fleet, now: datetime, policy: Policy) -> Sequence[Decision | Quarantine]:
    """Return what is due now, at most one decision per task; the same state gives the same plan.

    What breaks while one task is judged concerns that task alone.
    """
    violated = fleet.violations.keys() & fleet.tasks
    tasks = [fleet.tasks[task] for task in sorted(fleet.active | violated)]
    ready = [t for t in tasks if _is_past(t.postponed_until, now) and not t.is_busy]
    judged = [(task, quarantine.attempt(_judge, fleet, task, now, policy)) for task in ready]
    broken = [Quarantine(t.history, made.reason) for t, made in judged if isinstance(made, Broken)]
    due = [made for _, made in judged if isinstance(made, Decision) and not _is_request(made)]
    wanted = {task.id: made for task, made in judged if isinstance(made, Request)}
    wanting = [task for task, _ in judged if task.id in wanted]
    live = Counter(task.account for task in tasks if _is_live(task))
    return [*broken, *due, *(wanted[task.id] for task in _fairly(wanting, live, policy))]


def wake_at(fleet: Fleet, now: datetime, policy: Policy) -> datetime | None:
    """Return when something may be due by time alone; None when only events can change the plan."""
    found = (
        quarantine.attempt(_next, fleet, fleet.tasks[task], now, policy)
        for task in fleet.active | (fleet.violations.keys() & fleet.tasks)
    )
    return min((moment for moment in found if isinstance(moment, datetime)), default=None)


def _next(fleet: Fleet, task: Task, now: datetime, policy: Policy) -> datetime | None:
    return min((moment for moment in _moments(fleet, task, policy) if moment > now), default=None)


def to_watch(fleet: Fleet) -> Iterator[tuple[TaskId, Attempt]]:
    """Yield the attempts whose machine runs, as far as is known: its end must be noticed."""
    for task in fleet.active:
        attempt = fleet.tasks[task].attempt
        if attempt is not None and attempt.stage is AttemptStage.STARTED and not attempt.is_gone:
            yield task, attempt


def machine_name(task: TaskId, attempt: int) -> str:
    """Return the name of an attempt's machine, which makes creating it repeatable."""
    return f"task-{task.removeprefix('task_').replace('_', '-')}-a{attempt}"


def _judge(fleet: Fleet, task: Task, now: datetime, policy: Policy) -> Decision | None:
    """Return what is due for a task: a machine too, should there be room for one."""
    if task.quarantine:
        violation = fleet.violations.get(task.id)
        if (
            violation
            and task.attempt
            and task.stage in (AttemptStage.REQUESTED, AttemptStage.STARTED)
        ):
            return Destroy(task.history, task.attempt, violation.reason)
        return _ending(task)
    due = _due(fleet, task, now, policy)
    if due is None and task.id not in fleet.violations and _wants_machine(task, now, policy):
        return _request(task, now, policy)
    return due


def _ending(task: Task) -> Decision | None:
    """Return what ends a quarantined task: its abandonment first, then the end of its machine."""
    if not task.is_end_recorded:
        detail = f"The scheduler cannot go on with this task: {task.quarantine}"
        fact = TaskAbandoned(reason=REASON, detail=detail, remedy=REMEDY)
        return Abandon(task.history, task.head, fact)
    if task.attempt is not None and task.stage in (AttemptStage.REQUESTED, AttemptStage.STARTED):
        return Destroy(task.history, task.attempt, "ended")
    return None


def _is_request(decision: Decision) -> bool:
    return isinstance(decision, Request)


def _due(fleet: Fleet, task: Task, now: datetime, policy: Policy) -> Decision | None:
    """Return what is due for a task other than a new machine."""
    attempt = task.attempt
    if task.id in fleet.violations and not task.is_violation_settled:
        return _fencing(task, fleet.violations[task.id])
    if attempt is not None and attempt.stage is AttemptStage.REQUESTED:
        if attempt.done_at is None and _crashes(task) <= policy.attempts:
            return Resume(task.history, attempt)
        return Destroy(task.history, attempt, "ended")
    if attempt is not None and attempt.stage is AttemptStage.STARTED:
        cause = _cause_to_destroy(fleet, task, now, policy)
        if cause:
            return Destroy(task.history, attempt, cause)
        if attempt.done_at is None and attempt.reader_asked > attempt.reader_served:
            return ServeReader(task.history, attempt.number, attempt.reader_asked)
        return None
    fact = _abandonment(task, policy)
    return Abandon(task.history, task.head, fact) if fact else None


def _cause_to_destroy(fleet: Fleet, task: Task, now: datetime, policy: Policy) -> Cause | None:
    attempt = task.attempt
    if attempt is None:
        return None
    if attempt.done_at is not None:
        is_over = attempt.is_gone or attempt.left or _is_past(_grace_end(attempt, policy), now)
        return "ended" if is_over else None
    if attempt.is_gone:
        return "exited"
    if _is_past(_silence(fleet, attempt, policy), now):
        return "silent"
    return "deadline" if _is_past(_last_moment(attempt, policy), now) else None


def _fencing(task: Task, violation: Violation) -> Decision:
    """Destroy the machine of a worker that forges or floods the log; then abandon the task."""
    attempt = task.attempt
    if attempt is not None and attempt.stage in (AttemptStage.REQUESTED, AttemptStage.STARTED):
        return Destroy(task.history, attempt, violation.reason)
    fact = _too_large(violation) if violation.reason == TOO_LARGE else _tampered(violation)
    return Abandon(task.history, task.head, fact)


def _too_large(violation: Violation) -> TaskAbandoned:
    return TaskAbandoned(
        reason=TOO_LARGE,
        detail=violation.detail,
        remedy="Submit a new task for what is left; this one takes no more instructions. Look at "
        "the branch before you use it: a worker that floods its history may have been taken over.",
    )


def _tampered(violation: Violation) -> TaskAbandoned:
    return TaskAbandoned(
        reason="tampered",
        detail="Something in this task's history was not written by whom it names; it counts for "
        f"nothing. At sequence {violation.sequence} of the log: {violation.detail}.",
        remedy="Look at the branch before you use it: the worker may have been taken over. An "
        "instruction takes the task up again on another machine.",
    )


def bounded(attempt: Attempt, policy: Policy) -> Attempt:
    """Return the attempt with its guest and deadline held within the policy."""
    latest = attempt.requested_at + timedelta(seconds=policy.machine_seconds)
    most, guest = policy.guest, attempt.guest
    is_within = (
        guest.cpu_kind in ("shared", most.cpu_kind)
        and guest.cpus <= most.cpus
        and guest.memory_mb <= most.memory_mb
    )
    return replace(
        attempt, guest=guest if is_within else most, deadline=min(attempt.deadline, latest)
    )


def _abandonment(task: Task, policy: Policy) -> TaskAbandoned | None:
    """Return why no further attempt should be made; None when one should."""
    attempt = task.attempt
    if attempt is None or not task.is_open:
        return None
    if attempt.stage is AttemptStage.REFUSED and attempt.refusals >= policy.refusals:
        return TaskAbandoned(
            reason=f"machine_{attempt.refusal}",
            detail=f"No machine was given {attempt.refusals} times: {attempt.refusal_detail}",
            remedy=remedy_of(attempt.refusal),
        )
    if attempt.stage is not AttemptStage.CLOSED:
        return None
    if attempt.left in OUTAGES and _is_outage_too_long(task, policy):
        return TaskAbandoned(
            reason=attempt.left,
            detail=f"{attempt.left_detail or attempt.left} Attempts that ended so: {task.outages}.",
            remedy=outage_remedy_of(attempt.left),
        )
    if _crashes(task) >= policy.attempts:
        return TaskAbandoned(
            reason="worker_lost",
            detail=f"The worker was lost {_crashes(task)} times; the last was {attempt.name} "
            f"({task.lost_why}).",
            remedy=lost_remedy_of(task.lost_why),
        )
    return None


def _crashes(task: Task) -> int:
    """Count the attempts since the task was opened that no outage explains."""
    return task.attempts - task.outages


def _is_outage_too_long(task: Task, policy: Policy) -> bool:
    """Return whether the wait is over, by the log's own times, so that every fold agrees."""
    if task.outages >= policy.outages:
        return True
    if task.outage_since is None or task.lost_at is None:
        return False
    return (task.lost_at - task.outage_since).total_seconds() >= policy.outage_seconds


def _is_live(task: Task) -> bool:
    """Return whether a machine may exist for the task, or is about to."""
    is_about_to = task.is_busy and task.is_open
    return is_about_to or task.stage in (AttemptStage.REQUESTED, AttemptStage.STARTED)


def _wants_machine(task: Task, now: datetime, policy: Policy) -> bool:
    return (
        task.is_open
        and task.stage in (AttemptStage.CLOSED, AttemptStage.REFUSED)
        and _is_past(task.retry_at, now)
        and _abandonment(task, policy) is None
    )


def _fairly(wanting: Iterable[Task], live: Counter[AccountId], policy: Policy) -> Iterator[Task]:
    """Yield the tasks that get a machine: of the account with the fewest, the longest waiting."""
    queue = sorted(wanting, key=lambda task: (task.waiting_since, task.id))
    live = live.copy()
    while queue and live.total() < policy.tasks_at_once:
        task = min(queue, key=lambda each: live[each.account])  # the first of equals
        if live[task.account] >= policy.tasks_per_account:
            return
        queue.remove(task)
        live[task.account] += 1
        yield task


def _request(task: Task, now: datetime, policy: Policy) -> Request:
    attempt = task.attempt
    number, refusals = (attempt.number, attempt.refusals) if attempt else (0, 0)
    if task.stage is AttemptStage.CLOSED:
        number, refusals = number + 1, 0
    fact = MachineRequested(
        attempt=number,
        name=machine_name(task.id, number),
        region=policy.regions[refusals % len(policy.regions)],
        guest=policy.guest,
        deadline=now + timedelta(seconds=policy.machine_seconds),
    )
    return Request(task.history, task.head, fact)


def _moments(fleet: Fleet, task: Task, policy: Policy) -> Iterator[datetime]:
    """Yield the times at which the plan for a task may change."""
    attempt = task.attempt
    moments = [task.postponed_until, task.retry_at]
    if attempt is not None and attempt.stage is AttemptStage.STARTED:
        moments += [_grace_end(attempt, policy), _last_moment(attempt, policy)]
        moments.append(_silence(fleet, attempt, policy))
    yield from (moment for moment in moments if moment is not None)


def _grace_end(attempt: Attempt, policy: Policy) -> datetime | None:
    return attempt.done_at and attempt.done_at + timedelta(seconds=policy.shutdown_grace_seconds)


def _last_moment(attempt: Attempt, policy: Policy) -> datetime:
    return attempt.deadline + timedelta(seconds=policy.deadline_grace_seconds)


def _silence(fleet: Fleet, attempt: Attempt, policy: Policy) -> datetime:
    """Return when silence has lasted too long; a machine that boots has longer."""
    seconds = policy.silence_seconds
    if attempt.heard_at is None:
        seconds = max(seconds, policy.start_seconds)
    last = attempt.heard_at or attempt.start_noticed_at or fleet.watching_since
    return max(last, fleet.watching_since) + timedelta(seconds=seconds)


def _is_past(moment: datetime | None, now: datetime) -> bool:
    """Return whether a time has come; None has."""
    return moment is None or moment <= now
