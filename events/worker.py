"""What the agent did. The worker of the newest attempt alone writes these facts."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from events.fact import Fact
from events.ids import CallId, MachineId, RequestId

# One content block of the Messages API, kept verbatim: a changed block is refused by the model.
Block = dict[str, Any]


class Blob(msgspec.Struct, frozen=True):
    """Bytes in the object store, too long for an event."""

    key: str
    size_bytes: int
    sha256: str


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one model call, as the Messages API counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


class PlanItem(msgspec.Struct, frozen=True):
    """One line of the agent's plan."""

    text: str
    state: Literal["pending", "active", "done"]


class UndoneCall(msgspec.Struct, frozen=True):
    """A tool call whose work is gone with its machine; `title` as in its `tool.started`."""

    call: CallId
    tool: str
    title: str


class AttemptStarted(Fact, frozen=True, tag="attempt.started"):
    """A worker took the task up. From here on no older attempt may write: the fence.

    `undone`: the calls whose work is gone with the last machine, in order; no snapshot holds it.
    """

    attempt: int
    machine: MachineId
    build: str = ""
    sandbox: str = ""
    undone: tuple[UndoneCall, ...] = ()


class WorkspacePrepared(Fact, frozen=True, tag="workspace.prepared"):
    """The repository stands in the sandbox; `commit` is the base the branch grows from."""

    commit: str
    base: str
    branch: str
    seconds: float
    snapshot: str = ""


class ModelRequested(Fact, frozen=True, tag="model.requested"):
    """The model is about to be asked for turn `turn` (1, 2, 3 …)."""

    turn: int
    model: str


class ModelReplied(Fact, frozen=True, tag="model.replied"):
    """The model answered, and this is what it cost. `blocks` are verbatim, or in `blob`."""

    turn: int
    stop_reason: str
    usage: Usage
    cost_microusd: int
    blocks: tuple[Block, ...] = ()
    model: str = ""
    request: str = ""
    seconds: float = 0.0
    blob: Blob | None = None


class ModelFailed(Fact, frozen=True, tag="model.failed"):
    """A call of the model came to nothing. With `retry_at` it is tried again; without, not."""

    turn: int
    kind: str
    detail: str
    retry_at: datetime | None = None


class PlanUpdated(Fact, frozen=True, tag="plan.updated"):
    """The agent wrote its plan anew."""

    items: tuple[PlanItem, ...]


class QuestionAsked(Fact, frozen=True, tag="question.asked"):
    """The agent needs a word from the person before it goes on."""

    request: RequestId
    call: CallId
    text: str
    options: tuple[str, ...] = ()


class ApprovalRequested(Fact, frozen=True, tag="approval.requested"):
    """The agent may not make this call before a person has allowed it.

    `command` or `diff` is exactly what would be done; `digest` binds the tool, its arguments and
    the tree they would be applied to (64 hexadecimal digits). `covers` names, for people, what an
    answer for the whole task allows. Unanswered until `expires_at` it counts as denied.
    """

    request: RequestId
    call: CallId
    tool: str
    title: str
    digest: str
    covers: str
    expires_at: datetime
    command: str = ""
    diff: str = ""


class ToolStarted(Fact, frozen=True, tag="tool.started"):
    """A tool call begins: the intent, written before it runs. `title` is for people.

    `tree` is what the files are when it begins, kept so that it can be restored: the last
    snapshot's tree, or the base commit. Empty while an earlier call's work is not kept yet.
    """

    call: CallId
    tool: str
    title: str
    tree: str = ""


class ToolCompleted(Fact, frozen=True, tag="tool.completed"):
    """A tool call ended. `output` is what the model is told; the whole is in `artifact`."""

    call: CallId
    output: str
    exit_code: int = 0
    is_error: bool = False
    is_truncated: bool = False
    seconds: float = 0.0
    diff: str = ""
    artifact: Blob | None = None


class ToolInterrupted(Fact, frozen=True, tag="tool.interrupted"):
    """A tool call came to no end that is known, or was not run.

    `reason`: machine_lost, drained, deadline, gateway_unreachable; interrupted, cancelled,
    abandoned, failed, finished (what ended the task first); not_run (a call before it was cut off,
    or its work was lost).
    """

    call: CallId
    reason: str


class SnapshotTaken(Fact, frozen=True, tag="snapshot.taken"):
    """The work as it stands, restorable: a tree and the pack that holds it."""

    tree: str
    pack: Blob
    files: int
    insertions: int
    deletions: int


class BudgetExhausted(Fact, frozen=True, tag="budget.exhausted"):
    """A limit was met; the task waits. Scope cost: micro-dollars; turns; wall: seconds.

    Scopes person and account are limits that tasks share, in micro-dollars; they begin anew at
    `resets_at`.
    """

    scope: Literal["cost", "turns", "wall", "person", "account"]
    spent: int
    limit: int
    resets_at: datetime | None = None


class ArtifactStored(Fact, frozen=True, tag="artifact.stored"):
    """Something to keep was put into the object store under a name people can ask for."""

    name: str
    media_type: str
    blob: Blob


class BranchPushed(Fact, frozen=True, tag="branch.pushed"):
    """The work is on the forge."""

    branch: str
    commit: str


class PullRequestOpened(Fact, frozen=True, tag="pull_request.opened"):
    """The forge shows the work as a pull request."""

    number: int
    url: str
    title: str


class TaskFinished(Fact, frozen=True, tag="task.finished"):
    """The agent says the work is done. `outcome`: pull_request, branch, or no_changes."""

    summary: str
    outcome: Literal["pull_request", "branch", "no_changes"]


class TaskFailed(Fact, frozen=True, tag="task.failed"):
    """The work cannot be done. `reason` is a stable code; `remedy` says what to do about it."""

    reason: str
    detail: str
    remedy: str


class AttemptEnded(Fact, frozen=True, tag="attempt.ended"):
    """The worker leaves of its own will: done, drained, or fenced off."""

    attempt: int
    reason: str


WorkerEvent = (
    AttemptStarted
    | WorkspacePrepared
    | ModelRequested
    | ModelReplied
    | ModelFailed
    | PlanUpdated
    | QuestionAsked
    | ApprovalRequested
    | ToolStarted
    | ToolCompleted
    | ToolInterrupted
    | SnapshotTaken
    | BudgetExhausted
    | ArtifactStored
    | BranchPushed
    | PullRequestOpened
    | TaskFinished
    | TaskFailed
    | AttemptEnded
)
