"""A fact and its place: before it is stored (Draft) and after (Recorded)."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from events.gateway import GatewayEvent
from events.ids import AccountId, EventId, TaskId
from events.operator import OperatorEvent
from events.scheduler import SchedulerEvent
from events.worker import WorkerEvent

E_co = TypeVar("E_co", covariant=True)


class History(msgspec.Struct, frozen=True, gc=False):
    """The name of one task's history: its account and task."""

    account: AccountId
    task: TaskId


class Head(msgspec.Struct, frozen=True, gc=False):
    """The end of a history: its last version (dense: 1, 2, 3 …) and where that stands in the log.

    A writer appends after a head; if the history has grown since, the append is a Conflict.
    """

    version: int
    sequence: int


NOWHERE = Head(0, 0)


class Draft(msgspec.Struct, Generic[E_co], frozen=True, kw_only=True):
    """A fact about to be appended: everything but its place."""

    id: EventId
    at: datetime
    by: str
    event: E_co
    cause: str = ""


class Recorded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One stored event: the fact and its place. `body` is its bytes, as every reader gets them.

    `at` is the writer's clock, `sequence` the place in the whole log, `version` the place in its
    history.
    """

    account: AccountId
    task: TaskId
    id: EventId
    version: int
    sequence: int
    at: datetime
    by: str
    cause: str
    event: GatewayEvent | SchedulerEvent | WorkerEvent | OperatorEvent
    body: bytes = b""

    @property
    def history(self) -> History:
        """The history this event stands in."""
        return History(self.account, self.task)

    @property
    def head(self) -> Head:
        """The head of its history when this event was the last."""
        return Head(self.version, self.sequence)
