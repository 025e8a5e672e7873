"""What an effect's outcome means: the facts to append, given the task as it stands by now. Pure.

Asked again after a lost race, with the task as it stands then; a task that has moved on yields
nothing.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

import msgspec

from events import (
    Guest,
    MachineDestroyed,
    MachineId,
    MachineLost,
    MachineRefused,
    MachineStarted,
    SchedulerEvent,
)
from services.scheduler.fleet.fleet import Attempt, Stage, Task
from services.scheduler.fleet.plan import Cause, Policy, bounded

_HOURS_A_MONTH = 730
_SECONDS_A_MONTH = _HOURS_A_MONTH * 3600


class Obtained(msgspec.Struct, frozen=True):
    """There is a machine, after so many seconds."""

    attempt: int
    machine: MachineId
    region: str
    seconds: float


class NotObtained(msgspec.Struct, frozen=True):
    """There is certainly none."""

    attempt: int
    reason: str
    detail: str


class Gone(msgspec.Struct, frozen=True):
    """There is none any more. `machine` is empty when there never was one."""

    attempt: int
    cause: Cause
    machine: MachineId
    billed_seconds: float
    detail: str


Outcome = Obtained | NotObtained | Gone


def conclude(
    outcome: Outcome, task: Task, now: datetime, policy: Policy
) -> Sequence[SchedulerEvent]:
    """Name the facts that follow, none when they are in the log already."""
    attempt = task.attempt
    if attempt is None or attempt.number != outcome.attempt or attempt.stage is Stage.CLOSED:
        return []
    match outcome:
        case Obtained(machine=machine, region=region, seconds=seconds):
            if attempt.stage is not Stage.REQUESTED:
                return []
            return [
                MachineStarted(
                    attempt=attempt.number, machine=machine, region=region, seconds=seconds
                )
            ]
        case NotObtained(reason=reason, detail=detail):
            if attempt.stage is not Stage.REQUESTED:
                return []
            retry_at = now + policy.backoff(attempt.refusals + 1)
            return [
                MachineRefused(
                    attempt=attempt.number, reason=reason, retry_at=retry_at, detail=detail
                )
            ]
        case Gone():
            return _gone(outcome, task, attempt, now=now, policy=policy)


def stray(outcome: Outcome, task: Task) -> MachineId | None:
    """Name a machine that was had for an attempt which has another, or none any more.

    A name is unique among live machines only: a scheduler that was slow to ask is given a second
    one when the first has ended meanwhile, and another scheduler has seen to what follows.
    """
    attempt = task.attempt
    if not isinstance(outcome, Obtained):
        return None
    is_its_own = attempt is not None and (attempt.number, attempt.machine) == (
        outcome.attempt,
        outcome.machine,
    )
    return None if is_its_own else outcome.machine


def _gone(
    gone: Gone, task: Task, attempt: Attempt, *, now: datetime, policy: Policy
) -> Sequence[SchedulerEvent]:
    """Close an attempt. It is lost if its task had not ended; it costs if it ever was."""
    facts: list[SchedulerEvent] = []
    if attempt.done_at is None or not gone.machine:
        reason = gone.cause if gone.machine else "never_started"
        lost = MachineLost(
            attempt=attempt.number,
            reason=reason,
            retry_at=now + policy.backoff(max(task.attempts, 1)),
            detail="; ".join(filter(None, (attempt.left, attempt.left_detail, gone.detail))),
        )
        facts.append(lost)
    if gone.machine:
        destroyed = MachineDestroyed(
            attempt=attempt.number,
            machine=gone.machine,
            billed_seconds=gone.billed_seconds,
            cost_microusd=cost_microusd(
                bounded(attempt, policy).guest, gone.billed_seconds, now.date()
            ),
        )
        facts.append(destroyed)
    return facts


class Price(msgspec.Struct, frozen=True):
    """Micro-dollars a month of 730 hours, from a day on."""

    since: date
    cpu_kind: Literal["shared", "performance"]
    cpu_microusd: int
    memory_gib_microusd: int


# Source: Fly's price calculator, region iad, without a region's markup. Newest first.
PRICES = (
    Price(date(2024, 1, 1), "shared", 695_000, 5_000_000),
    Price(date(2024, 1, 1), "performance", 21_000_000, 5_000_000),
)


def cost_microusd(guest: Guest, seconds: float, on: date) -> int:
    """Tell what a machine cost, in millionths of a US dollar; an unknown guest costs nothing."""
    for price in PRICES:
        if price.cpu_kind == guest.cpu_kind and price.since <= on:
            memory = guest.memory_mb / 1024 * price.memory_gib_microusd
            return round((guest.cpus * price.cpu_microusd + memory) * seconds / _SECONDS_A_MONTH)
    return 0
