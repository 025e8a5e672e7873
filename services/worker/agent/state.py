"""Where a task stands, as its worker sees it: what of its history decides what is due. Pure.

`evolve` beside it brings it there, `next_step` says what is due from here.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from events import (
    NOWHERE,
    Blob,
    BranchPushed,
    CallId,
    EventId,
    Head,
    LeftOut,
    MachineId,
    ModelFailed,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    SnapshotTaken,
    TaskId,
    TaskSubmitted,
    ToolStarted,
    UndoneCall,
    WorkspacePrepared,
)
from services.worker.agent.approvals.policy import Approvals
from services.worker.agent.budget import BudgetUse
from services.worker.agent.failures.outage import Outage
from services.worker.agent.tool_calls import MUTATING, Call, Submit

DIFF_NAME: Final = "diff.patch"

StopReason = Literal["", "drained", "deadline"] | Outage


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Who folds: the number of this worker's attempt, and what it runs on."""

    number: int
    machine: MachineId = MachineId("")
    build: str = ""
    sandbox: str = ""


class Reply(msgspec.Struct, frozen=True):
    """The model's newest reply: the event that recorded it, why it stopped, what it said.

    `is_unfinished`: it wants to go on, or says nothing that could be the end of the work.
    """

    event: EventId
    stop_reason: str
    text: str
    is_unfinished: bool = False


class Delivery(msgspec.Struct, frozen=True):
    """How far the finished work has come on its way out, since the newest reply.

    `has_nothing_to_merge`: the base branch holds the pushed work already. It is not in the log; a
    new attempt asks the forge again.
    """

    diff: Blob | None = None
    pushed: BranchPushed | None = None
    pull_request: PullRequestOpened | None = None
    has_nothing_to_merge: bool = False
    submitted: Submit | None = None


class AgentState(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's position in its loop.

    `unsaved`: the calls that may have changed files since the last snapshot, in order. A new
    attempt does not find their work. `must_tell_model`: the newest reply rests on work that is gone
    or was cut off, and the model has not been asked since; nothing of that reply may run or be
    delivered. `unreadable`: why its history cannot be folded any further. `nudges` are replies in a
    row that neither called a tool nor ended the work; `fruitless` those of which no call has
    succeeded. The last three fields are not in the log: this process alone knows them, and a new
    attempt finds out or does well without.
    """

    attempt: Attempt
    task: TaskId = TaskId("")
    head: Head = NOWHERE
    last: EventId = EventId("")
    at: datetime | None = None
    submitted: TaskSubmitted | None = None
    budget: BudgetUse = BudgetUse()

    is_started: bool = False
    is_fenced: bool = False
    has_left: bool = False
    is_closed: bool = False
    ending: str = ""

    workspace: WorkspacePrepared | None = None
    is_prepared: bool = False
    snapshot: SnapshotTaken | None = None

    number: int = 0
    is_asked: bool = False
    failure: ModelFailed | None = None
    failing_since: datetime | None = None
    failures: int = 0
    reply: Reply | None = None
    nudges: int = 0
    fruitless: int = 0
    is_spoken_to: bool = False
    pending: tuple[Call, ...] = ()
    started: Mapping[CallId, ToolStarted] = MappingProxyType({})
    orphaned: frozenset[CallId] = frozenset()
    question: QuestionAsked | None = None
    answer: QuestionAnswered | None = None
    approvals: Approvals = Approvals()
    unread_steers: int = 0
    unread_queued: int = 0
    is_interrupted: bool = False
    dropped: str = ""
    delivery: Delivery = Delivery()

    unsaved: tuple[UndoneCall, ...] = ()
    must_tell_model: bool = False
    has_pull_requests: bool = True
    stopping: StopReason = ""
    stopping_detail: str = ""
    unreadable: str = ""

    @property
    def tree(self) -> str:
        """The tree that the next call would change: the last one kept."""
        if self.snapshot is not None:
            return self.snapshot.tree
        return self.workspace.commit if self.workspace is not None else ""

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the workspace has besides the work, as of the last snapshot."""
        return self.snapshot.left_out if self.snapshot is not None else ()

    @property
    def guarded(self) -> tuple[str, ...]:
        """Which of the work's changes a forge runs or trusts, as of the last snapshot."""
        return self.snapshot.guarded if self.snapshot is not None else ()

    @property
    def is_dirty(self) -> bool:
        """Whether the files may have changed since the last snapshot."""
        return bool(self.unsaved)

    @property
    def undone(self) -> tuple[UndoneCall, ...]:
        """Name the calls whose work a new attempt does not find: ended or running, not kept."""
        running = (c for c in self.pending if c.id in self.started and c.name in MUTATING)
        return (*self.unsaved, *map(self.as_undone, running))

    def as_undone(self, call: Call) -> UndoneCall:
        """Name a call, by the title it was started with, as one whose work is not kept."""
        started = self.started.get(call.id)
        return UndoneCall(call.id, call.name, started.title if started else f"Use {call.name}")

    @property
    def is_over(self) -> bool:
        """Whether the model has ended its work, well or not, and a new word would begin another."""
        if self.reply is None or self.delivery.submitted is not None:
            return True
        return not self.pending and not self.reply.is_unfinished

    @property
    def is_for_a_person(self) -> bool:
        """Whether nothing goes on until a person says something."""
        is_asking = self.question is not None and self.answer is None
        return (
            self.is_closed
            or self.is_interrupted
            or is_asking
            or self.approvals.is_waiting
            or self.budget.exhausted is not None
        )
