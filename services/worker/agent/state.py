"""Agent state: what of a task's history decides what is due, in groups of one meaning each. Pure.

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
    EnvironmentPrepared,
    EventId,
    Head,
    LeftOut,
    MachineId,
    ModelFailed,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    RequestId,
    SnapshotTaken,
    TaskId,
    TaskSubmitted,
    ToolStarted,
    UndoneCall,
    WorkspacePrepared,
)
from services.worker.agent.approvals.policy import Approvals
from services.worker.agent.budget import BudgetUse
from services.worker.agent.context.window import ContextUse
from services.worker.agent.failures.outage import Outage
from services.worker.agent.failures.repetition import Repetition
from services.worker.agent.tool_calls import MUTATING, Call, Submit

DIFF_NAME: Final = "diff.patch"

StopReason = Literal["", "drained", "deadline"] | Outage


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt that folds: its number, and what it runs on."""

    number: int
    machine: MachineId = MachineId("")
    build: str = ""
    sandbox: str = ""


class AttemptStatus(msgspec.Struct, frozen=True):
    """Progress of this attempt. `is_fenced`: another one has taken over, or will."""

    is_started: bool = False
    is_fenced: bool = False
    has_left: bool = False

    @property
    def is_over(self) -> bool:
        """Return whether this attempt must not do anything any more."""
        return self.is_fenced or self.has_left


class FoldPosition(msgspec.Struct, frozen=True):
    """The newest event that was folded, and whose task it is."""

    task: TaskId = TaskId("")
    head: Head = NOWHERE
    event: EventId = EventId("")
    at: datetime | None = None


class Lifecycle(msgspec.Struct, frozen=True):
    """The task's course. `ending`: why it ended while this attempt was at work, which leaves now.

    `is_interrupted`: a person stopped it, and nobody has said anything since.
    """

    is_closed: bool = False
    is_interrupted: bool = False
    ending: str = ""


class WorkspaceState(msgspec.Struct, frozen=True):
    """The task's files: what they are based on, and what of them is kept.

    `is_ready`: the newest attempt has prepared its own. `unsaved`: the calls that may have changed
    files since the last snapshot, in order. A new attempt does not find their work.
    """

    prepared: WorkspacePrepared | None = None
    is_ready: bool = False
    snapshot: SnapshotTaken | None = None
    unsaved: tuple[UndoneCall, ...] = ()

    @property
    def tree(self) -> str:
        """The tree that the next call would change: the last one kept."""
        if self.snapshot is not None:
            return self.snapshot.tree
        return self.prepared.commit if self.prepared is not None else ""

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The files of the workspace that are not part of the work, as of the last snapshot."""
        return self.snapshot.left_out if self.snapshot is not None else ()

    @property
    def guarded(self) -> tuple[str, ...]:
        """The work's changes that a forge runs or trusts, as of the last snapshot."""
        return self.snapshot.guarded if self.snapshot is not None else ()

    @property
    def is_dirty(self) -> bool:
        """Return whether the files may have changed since the last snapshot."""
        return bool(self.unsaved)


class EnvironmentState(msgspec.Struct, frozen=True):
    """The environment as it was set up last. `is_due`: the newest workspace waits for it."""

    prepared: EnvironmentPrepared | None = None
    is_due: bool = False


class Reply(msgspec.Struct, frozen=True):
    """The model's newest reply: the event that recorded it, why it stopped, what it said.

    `is_unfinished`: it wants to go on, or says nothing that could be the end of the work.
    """

    event: EventId
    stop_reason: str
    text: str
    is_unfinished: bool = False


class ModelFailures(msgspec.Struct, frozen=True):
    """Calls of the model that failed in a row: the newest, how many, and when the first failed."""

    newest: ModelFailed | None = None
    count: int = 0
    since: datetime | None = None


class ModelState(msgspec.Struct, frozen=True):
    """The conversation with the model; `turn` is that of the newest reply.

    `is_asked`: this attempt has announced a request and awaits its reply. `is_reply_due`: there was
    no reply yet to the newest request, whoever made it. `nudges` are replies in a row that neither
    called a tool nor ended the work; `fruitless` those of which no call has succeeded.
    """

    turn: int = 0
    is_asked: bool = False
    is_reply_due: bool = False
    reply: Reply | None = None
    failures: ModelFailures = ModelFailures()
    nudges: int = 0
    fruitless: int = 0


class CallsState(msgspec.Struct, frozen=True):
    """The newest reply's calls that have not ended, in its order, and those of them that started.

    `orphaned` started in an attempt before. `dropped`: why none of them may go on.
    """

    pending: tuple[Call, ...] = ()
    started: Mapping[CallId, ToolStarted] = MappingProxyType({})
    orphaned: frozenset[CallId] = frozenset()
    dropped: str = ""

    @property
    def undone(self) -> tuple[UndoneCall, ...]:
        """The calls under way that may have changed files."""
        return tuple(
            self.as_undone(each)
            for each in self.pending
            if each.id in self.started and each.name in MUTATING
        )

    def as_undone(self, call: Call) -> UndoneCall:
        """Name a call, by the title it was started with, as one whose work is not kept."""
        started = self.started.get(call.id)
        return UndoneCall(call.id, call.name, started.title if started else f"Use {call.name}")


class QuestionState(msgspec.Struct, frozen=True):
    """The question put to a person by this attempt, and the newest answer to any."""

    asked: QuestionAsked | None = None
    answer: QuestionAnswered | None = None

    @property
    def is_open(self) -> bool:
        """Return whether a question waits for its answer."""
        return self.asked is not None and self.answer is None

    def is_asked(self, request: RequestId) -> bool:
        """Return whether the question of this request was put."""
        return self.asked is not None and self.asked.request == request

    def answer_to(self, request: RequestId) -> QuestionAnswered | None:
        """Return the answer to a request; None while there is none."""
        is_meant = self.answer is not None and self.answer.request == request
        return self.answer if is_meant else None


class Unread(msgspec.Struct, frozen=True):
    """News the model has not read: the versions of instructions by mode, and that work was lost.

    `has_lost_work`: the newest reply rests on work that is gone or was cut off, and the model has
    not been asked since; nothing of that reply may run or be delivered.
    """

    steers: tuple[int, ...] = ()
    queued: tuple[int, ...] = ()
    has_lost_work: bool = False

    @property
    def has_instructions(self) -> bool:
        """Return whether somebody said something new, in either mode."""
        return bool(self.steers or self.queued)


class Delivery(msgspec.Struct, frozen=True):
    """Delivery of the finished work, as far as it has come since the newest reply.

    `has_nothing_to_merge`: the base branch holds the pushed work already. It is not in the log; a
    new attempt asks the forge again.
    """

    diff: Blob | None = None
    pushed: BranchPushed | None = None
    pull_request: PullRequestOpened | None = None
    has_nothing_to_merge: bool = False
    submitted: Submit | None = None


class ProcessState(msgspec.Struct, frozen=True):
    """Knowledge of this process alone. It is not in the log: a new attempt finds out again.

    `stopping`: why the process has to end soon. `unreadable`: why the history cannot be folded any
    further. `has_pull_requests`: False once the forge said that it has none.
    """

    stopping: StopReason = ""
    stopping_detail: str = ""
    unreadable: str = ""
    has_pull_requests: bool = True


class AgentState(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's state: one group per thing that changes by itself.

    `submitted` is the task as it was given: prompt, repository, model, policy. `allowed_hosts` are
    those that a person allowed its commands to connect to, as `host:port`.
    """

    attempt: Attempt
    attempt_status: AttemptStatus = AttemptStatus()
    position: FoldPosition = FoldPosition()
    submitted: TaskSubmitted | None = None
    lifecycle: Lifecycle = Lifecycle()
    budget: BudgetUse = BudgetUse()
    workspace: WorkspaceState = WorkspaceState()
    environment: EnvironmentState = EnvironmentState()
    model: ModelState = ModelState()
    context: ContextUse = ContextUse()
    repetition: Repetition = Repetition()
    calls: CallsState = CallsState()
    question: QuestionState = QuestionState()
    approvals: Approvals = Approvals()
    unread: Unread = Unread()
    delivery: Delivery = Delivery()
    allowed_hosts: tuple[str, ...] = ()
    process: ProcessState = ProcessState()

    @property
    def undone(self) -> tuple[UndoneCall, ...]:
        """The calls whose work a new attempt does not find: ended or under way, not kept."""
        return (*self.workspace.unsaved, *self.calls.undone)

    @property
    def is_work_over(self) -> bool:
        """Return whether the model has ended its work, well or not.

        A new instruction would begin another work.
        """
        reply = self.model.reply
        if reply is None or self.delivery.submitted is not None:
            return True
        return not self.calls.pending and not reply.is_unfinished

    @property
    def is_for_a_person(self) -> bool:
        """Return whether nothing goes on until a person says something."""
        return (
            self.lifecycle.is_closed
            or self.lifecycle.is_interrupted
            or self.question.is_open
            or self.approvals.is_waiting
            or self.budget.exhausted is not None
        )
