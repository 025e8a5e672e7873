"""Who works. The scheduler alone writes these facts."""

from datetime import datetime

import msgspec

from events.fact import Fact
from events.ids import MachineId


class Guest(msgspec.Struct, frozen=True):
    """The size of a machine, in the Machines API's words; memory in mebibytes."""

    cpu_kind: str
    cpus: int
    memory_mb: int


class MachineRequested(Fact, frozen=True, tag="machine.requested"):
    """A machine is wanted for this attempt: the intent, written before the API is called."""

    attempt: int
    name: str
    region: str
    guest: Guest
    deadline: datetime


class MachineStarted(Fact, frozen=True, tag="machine.started"):
    """The Machines API gave a machine, after so many seconds."""

    attempt: int
    machine: MachineId
    region: str
    seconds: float


class MachineRefused(Fact, frozen=True, tag="machine.refused"):
    """The Machines API gave none; the same attempt asks again at `retry_at`."""

    attempt: int
    reason: str
    retry_at: datetime
    detail: str = ""


class MachineLost(Fact, frozen=True, tag="machine.lost"):
    """The machine ended or fell silent before the task did; it is certainly not running now.

    The next attempt may start at `retry_at`.
    """

    attempt: int
    reason: str
    retry_at: datetime
    detail: str = ""


class MachineDestroyed(Fact, frozen=True, tag="machine.destroyed"):
    """The machine is gone; what it cost, at the price table's rate for its guest."""

    attempt: int
    machine: MachineId
    billed_seconds: float
    cost_microusd: int


class TaskAbandoned(Fact, frozen=True, tag="task.abandoned"):
    """Nobody could carry the task to its end. `reason` is a stable code."""

    reason: str
    detail: str
    remedy: str


SchedulerEvent = (
    MachineRequested
    | MachineStarted
    | MachineRefused
    | MachineLost
    | MachineDestroyed
    | TaskAbandoned
)
