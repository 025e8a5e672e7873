"""Facts of the scheduler: the machines of tasks. No other service writes them."""

from typing import Annotated

import msgspec

from events.fact import Fact
from events.ids import MachineId
from events.limits import MAX_NAME_CHARACTERS, Count, Moment, Name, Seconds, Text

_Machine = Annotated[MachineId, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)]


class Guest(msgspec.Struct, frozen=True):
    """The size of a machine, as the Machines API names it; memory in mebibytes."""

    cpu_kind: Name
    cpus: Count
    memory_mb: Count


class MachineRequested(Fact, frozen=True, tag="machine.requested"):
    """A machine is wanted for this attempt: the intent, written before the API is called."""

    attempt: Count
    name: Name
    region: Name
    guest: Guest
    deadline: Moment


class MachineStarted(Fact, frozen=True, tag="machine.started"):
    """The Machines API gave a machine, after so many seconds."""

    attempt: Count
    machine: _Machine
    region: Name
    seconds: Seconds


class MachineRefused(Fact, frozen=True, tag="machine.refused"):
    """The Machines API gave none; the same attempt asks again at `retry_at`."""

    attempt: Count
    reason: Name
    retry_at: Moment
    detail: Text = ""


class MachineLost(Fact, frozen=True, tag="machine.lost"):
    """The machine ended or fell silent before the task did; it is certainly not running now.

    The next attempt may start at `retry_at`.
    """

    attempt: Count
    reason: Name
    retry_at: Moment
    detail: Text = ""


class MachineDestroyed(Fact, frozen=True, tag="machine.destroyed"):
    """The machine is gone; what it cost, at the price table's rate for its guest."""

    attempt: Count
    machine: _Machine
    billed_seconds: Seconds
    cost_microusd: Count


class TaskAbandoned(Fact, frozen=True, tag="task.abandoned"):
    """Nobody could carry the task to its end. `reason` is a stable code."""

    reason: Name
    detail: Text
    remedy: Text


SchedulerEvent = (
    MachineRequested
    | MachineStarted
    | MachineRefused
    | MachineLost
    | MachineDestroyed
    | TaskAbandoned
)
