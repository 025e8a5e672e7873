"""Histories for the scheduler's tests: facts at times, and the fleet that is their fold."""

from datetime import UTC, datetime, timedelta

from events import (
    AccountId,
    AttemptEnded,
    AttemptStarted,
    EventId,
    Guest,
    MachineDestroyed,
    MachineId,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    ModelRequested,
    Recorded,
    Repository,
    TaskFinished,
    TaskId,
    TaskInstructed,
    TaskSubmitted,
)
from services.scheduler.fleet.plan import Policy, machine_name
from services.scheduler.fleet.state import Fleet, evolve

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GUEST = Guest("shared", 2, 2048)
POLICY = Policy(regions=("iad", "ord"), guest=GUEST)
HOME, TASK = AccountId("acc_home"), TaskId("task_one")
MACHINE = MachineId("0123456789abcd")

SUBMITTED = TaskSubmitted(prompt="fix it", repository=Repository("https://x/y"), model="m")
FINISHED = TaskFinished(summary="done", outcome="branch")
INSTRUCTED = TaskInstructed(text="one more thing")
WORKING = ModelRequested(turn=1, model="m")


def later(seconds):
    return NOON + timedelta(seconds=seconds)


def requested(attempt=1, task=TASK, region="iad"):
    return MachineRequested(
        attempt=attempt,
        name=machine_name(task, attempt),
        region=region,
        guest=GUEST,
        deadline=later(POLICY.machine_seconds),
    )


def started(attempt=1):
    return MachineStarted(attempt=attempt, machine=MACHINE, region="iad", seconds=1.0)


def refused(attempt=1, retry_at=NOON):
    return MachineRefused(attempt=attempt, reason="no_capacity", retry_at=retry_at, detail="full")


def lost(attempt=1, retry_at=NOON):
    return MachineLost(attempt=attempt, reason="exited", retry_at=retry_at)


def destroyed(attempt=1):
    return MachineDestroyed(attempt=attempt, machine=MACHINE, billed_seconds=1.0, cost_microusd=4)


def took_up(attempt=1):
    return AttemptStarted(attempt=attempt, machine=MACHINE)


def left(attempt=1, reason="finished"):
    return AttemptEnded(attempt=attempt, reason=reason)


class Book:
    """A log of several tasks, for tests that only fold."""

    def __init__(self, watching_since=NOON):
        self.fleet = Fleet(watching_since=watching_since)
        self.versions = {}

    def add(self, *facts, task=TASK, account=HOME, at=NOON, by="", heard_at=None):
        for fact in facts:
            version = self.versions[task] = self.versions.get(task, 0) + 1
            sequence = self.fleet.sequence + 1
            recorded = Recorded(
                account=account,
                task=task,
                id=EventId(f"evt_{sequence}"),
                version=version,
                sequence=sequence,
                at=at,
                by=by,
                cause="",
                event=fact,
            )
            self.fleet = evolve(self.fleet, [recorded], heard_at=heard_at or at)
        return self

    @property
    def task(self):
        return self.fleet.tasks[TASK]


def given(*facts, at=NOON):
    return Book().add(*facts, at=at)
