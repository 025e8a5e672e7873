"""Turns the outcome of an effect into facts to append, given the task as it is by now. Pure.

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
from services.scheduler.fleet.plan import Cause, Policy, bounded
from services.scheduler.fleet.state import Attempt, AttemptStage, Task

_HOURS_PER_MONTH = 730
_SECONDS_PER_MONTH = _HOURS_PER_MONTH * 3600


class MachineReady(msgspec.Struct, frozen=True):
    """A machine that exists, after so many seconds."""

    attempt: int
    machine: MachineId
    region: str
    seconds: float


class MachineUnavailable(msgspec.Struct, frozen=True):
    """The certain absence of a machine, and why."""

    attempt: int
    reason: str
    detail: str


class MachineGone(msgspec.Struct, frozen=True):
    """A machine that is gone. `machine` is empty when there never was one."""

    attempt: int
    cause: Cause
    machine: MachineId
    billed_seconds: float
    detail: str


Outcome = MachineReady | MachineUnavailable | MachineGone


def conclude(
    outcome: Outcome, task: Task, now: datetime, policy: Policy
) -> Sequence[SchedulerEvent]:
    """Return the facts that follow; none when they are in the log already."""
    attempt = task.attempt
    if attempt is None or attempt.number != outcome.attempt or attempt.stage is AttemptStage.CLOSED:
        return []
    match outcome:
        case MachineReady(machine=machine, region=region, seconds=seconds):
            if attempt.stage is not AttemptStage.REQUESTED:
                return []
            return [
                MachineStarted(
                    attempt=attempt.number, machine=machine, region=region, seconds=seconds
                )
            ]
        case MachineUnavailable(reason=reason, detail=detail):
            if attempt.stage is not AttemptStage.REQUESTED:
                return []
            retry_at = now + policy.backoff(attempt.refusals + 1)
            return [
                MachineRefused(
                    attempt=attempt.number, reason=reason, retry_at=retry_at, detail=detail
                )
            ]
        case MachineGone():
            return _gone(outcome, task, attempt, now=now, policy=policy)


def orphan_machine(outcome: Outcome, task: Task) -> MachineId | None:
    """Return the machine obtained for an attempt that has another one, or is over.

    A name is unique among live machines only: a scheduler that was slow to ask is given a second
    one when the first has ended meanwhile, and another scheduler has seen to what follows.
    """
    attempt = task.attempt
    if not isinstance(outcome, MachineReady):
        return None
    is_its_own = attempt is not None and (attempt.number, attempt.machine) == (
        outcome.attempt,
        outcome.machine,
    )
    return None if is_its_own else outcome.machine


def _gone(
    gone: MachineGone, task: Task, attempt: Attempt, *, now: datetime, policy: Policy
) -> Sequence[SchedulerEvent]:
    """Return the facts that close an attempt: its loss if its task was open, its cost if it ran."""
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
    """Micro-dollars per month of 730 hours, from a day on."""

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
    """Return what a machine cost, in millionths of a US dollar; an unknown guest costs nothing."""
    for price in PRICES:
        if price.cpu_kind == guest.cpu_kind and price.since <= on:
            memory = guest.memory_mb / 1024 * price.memory_gib_microusd
            return round((guest.cpus * price.cpu_microusd + memory) * seconds / _SECONDS_PER_MONTH)
    return 0
