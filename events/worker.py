"""Facts of the worker: what the agent did. Only the newest attempt's worker writes them."""

from typing import Annotated, Any, Final, Literal

import msgspec

from events.fact import Fact, LeftOut, PlanItem, UndoneCall, Usage
from events.ids import CallId, MachineId, RequestId
from events.limits import MAX_NAME_CHARACTERS, Count, Line, Moment, Name, Number, Seconds, Text

# One content block of the Messages API, kept verbatim: a changed block is refused by the model.
Block = dict[str, Any]

_MAX_ITEMS = 1000
_Call = Annotated[CallId, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)]
_Request = Annotated[RequestId, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)]
_Machine = Annotated[MachineId, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)]


Egress = Literal["off", "registries", "open"]
"""Reach of commands: nothing, the package registries, or any public host."""

EnvironmentSource = Literal["task", "account", "file", "devcontainer", "detected"]
"""Source of a definition, first to last: the task itself, the account's settings for its
repository, .errand/environment.toml, devcontainer.json, the files of package managers."""

DEFAULT_TIMEOUT_SECONDS: Final = 900
MAX_ENVIRONMENT_ENTRIES: Final = 100


class EnvironmentDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Set-up of a repository.

    `setup` is a bash script at the repository's root, run before the agent's first tool call;
    `start` is one that every attempt runs after it, in the agent's own shell. `egress` is what
    set-up may reach, `agent_egress` what the agent may; `allow` are further hosts for both.
    `cache_paths` are the paths that the cache keeps, empty: everything that set-up added. `env` are
    variables of set-up and of the agent. An empty `image` is the installation's own.
    """

    image: Line = ""
    setup: Text = ""
    start: Text = ""
    timeout_seconds: Count = DEFAULT_TIMEOUT_SECONDS
    cache_paths: Annotated[tuple[Line, ...], msgspec.Meta(max_length=MAX_ENVIRONMENT_ENTRIES)] = ()
    egress: Egress = "registries"
    agent_egress: Egress = "off"
    allow: Annotated[tuple[Line, ...], msgspec.Meta(max_length=MAX_ENVIRONMENT_ENTRIES)] = ()
    env: Annotated[dict[Name, Line], msgspec.Meta(max_length=MAX_ENVIRONMENT_ENTRIES)] = {}


class Blob(msgspec.Struct, frozen=True):
    """Bytes in the object store, too long for an event."""

    key: Line
    size_bytes: Count
    sha256: Name


class AttemptStarted(Fact, frozen=True, tag="attempt.started"):
    """A worker took the task up. From here on no older attempt may write: the fence.

    `undone`: the calls whose work is gone with the last machine, in order; no snapshot holds it.
    """

    attempt: Count
    machine: _Machine
    build: Line = ""
    sandbox: Name = ""
    undone: Annotated[tuple[UndoneCall, ...], msgspec.Meta(max_length=_MAX_ITEMS)] = ()


class WorkspacePrepared(Fact, frozen=True, tag="workspace.prepared"):
    """The repository stands in the sandbox; `commit` is the base the branch grows from.

    `environment`: where the environment comes from that is set up next; empty when there is none.
    """

    commit: Name
    base: Line
    branch: Line
    seconds: Seconds
    snapshot: Name = ""
    environment: Literal[EnvironmentSource, ""] = ""


class EnvironmentPrepared(Fact, frozen=True, tag="environment.prepared"):
    """The environment was set up, as far as it could be; the task goes on in any case.

    `reason` says for people why this definition holds. `cached`: it was restored from the cache
    `key` and set-up was not run. `exit_code` and `output` (its last lines, the whole in `artifact`)
    are of set-up, or of `start` where that failed. `problem` says what a person should know: the
    cause and the remedy. `changed` are files of the repository that set-up changed; they were
    put back.
    """

    source: EnvironmentSource
    definition: EnvironmentDefinition
    key: Name = ""
    reason: Line = ""
    cached: bool = False
    exit_code: Number = 0
    seconds: Seconds = 0.0
    output: Text = ""
    is_truncated: bool = False
    artifact: Blob | None = None
    problem: Text = ""
    changed: Annotated[tuple[Line, ...], msgspec.Meta(max_length=_MAX_ITEMS)] = ()


class ModelRequested(Fact, frozen=True, tag="model.requested"):
    """The model is about to be asked for turn `turn` (1, 2, 3 …).

    With this the agent takes up every instruction before it; where it `leaves_queued`, those of
    mode queue still wait. Without, they may have been taken up.
    """

    turn: Count
    model: Name
    leaves_queued: bool = False


class PromptDigest(msgspec.Struct, frozen=True):
    """Digests of a request's parts: the first 16 hexadecimal digits of their SHA-256 each.

    `system`: our own words, without the repository's files. `tools`: all tools as the model reads
    them. `message`: the last message; those before it are the last ones of requests before.
    """

    system: Name
    tools: Name
    message: Name


class ModelReplied(Fact, frozen=True, tag="model.replied"):
    """The model answered, and this is what it cost. `blocks` are verbatim, or in `blob`.

    `prompt` tells whether another worker would have asked the same (older events have none).
    """

    turn: Count
    stop_reason: Name
    usage: Usage
    cost_microusd: Count
    blocks: tuple[Block, ...] = ()
    model: Name = ""
    request: Name = ""
    seconds: Seconds = 0.0
    blob: Blob | None = None
    prompt: PromptDigest | None = None


class ModelFailed(Fact, frozen=True, tag="model.failed"):
    """A call of the model failed. With `retry_at` it is tried again; without, not."""

    turn: Count
    kind: Name
    detail: Text
    retry_at: Moment | None = None


class ContextCompacted(Fact, frozen=True, tag="context.compacted"):
    """The conversation had grown long: from turn `turn` on, the model reads a summary of it.

    The messages are built from what people said, the plan, `summary` and the events after the
    version `through`. `writer` of the summary: the model or (at no cost) the worker. The
    provider counted `tokens_before`; `tokens_after` is an estimate.
    """

    turn: Count
    through: Count
    summary: Text
    tokens_before: Count
    tokens_after: Count
    writer: Literal["model", "worker"] = "model"
    usage: Usage = Usage()
    cost_microusd: Count = 0
    model: Name = ""
    request: Name = ""
    seconds: Seconds = 0.0


class PlanUpdated(Fact, frozen=True, tag="plan.updated"):
    """The agent updated its plan."""

    items: Annotated[tuple[PlanItem, ...], msgspec.Meta(max_length=_MAX_ITEMS)]


class QuestionAsked(Fact, frozen=True, tag="question.asked"):
    """The agent needs an answer from the person before it goes on."""

    request: _Request
    call: _Call
    text: Text
    options: Annotated[tuple[Line, ...], msgspec.Meta(max_length=_MAX_ITEMS)] = ()


class ApprovalRequested(Fact, frozen=True, tag="approval.requested"):
    """The agent may not make this call before a person has allowed it.

    `command` or `diff` is exactly what would be done; `digest` binds the tool, its arguments and
    the tree they would be applied to (64 hexadecimal digits). `covers` names, for people, what an
    answer for the whole task allows; `risks` are the same as values, which an answer grants (events
    of older workers have none). Unanswered until `expires_at` it counts as denied.
    """

    request: _Request
    call: _Call
    tool: Name
    title: Line
    digest: Name
    covers: Line
    expires_at: Moment
    command: Text = ""
    diff: Text = ""
    risks: Annotated[tuple[Line, ...], msgspec.Meta(max_length=_MAX_ITEMS)] = ()


class ToolStarted(Fact, frozen=True, tag="tool.started"):
    """A tool call begins: the intent, written before it runs. `title` is for people.

    `tree` is what the files are when it begins, kept so that it can be restored: the last
    snapshot's tree, or the base commit. Empty while an earlier call's work is not kept yet.
    `command` is what bash runs, as it is (cut in its middle beyond 8 KiB): to be shown, with all
    that hides in it made visible, wherever the title is.
    """

    call: _Call
    tool: Name
    title: Line
    tree: Name = ""
    command: Text = ""


class ToolCompleted(Fact, frozen=True, tag="tool.completed"):
    """A tool call ended. `output` is what the model receives; the whole is in `artifact`."""

    call: _Call
    output: Text
    exit_code: Number = 0
    is_error: bool = False
    is_truncated: bool = False
    seconds: Seconds = 0.0
    diff: Text = ""
    artifact: Blob | None = None


class ToolInterrupted(Fact, frozen=True, tag="tool.interrupted"):
    """A tool call came to no end that is known, or was not run.

    `reason`: machine_lost, drained, deadline, gateway_unreachable, object_store_unreachable,
    gateway_refused; interrupted, cancelled, abandoned, failed, finished (what ended the task
    first); not_run (a call before it was cut off, or its work was lost).
    """

    call: _Call
    reason: Line


class SnapshotTaken(Fact, frozen=True, tag="snapshot.taken"):
    """The work as it stands, restorable: a tree and the pack that holds it.

    `left_out` is what the workspace has besides and the work does not; `guarded` are the changed
    paths that a forge runs or trusts: they are pushed only once a person has allowed this tree.
    `changes` holds the changed files and their patches (events.protocol.stored_changes); events of
    older workers have none.
    """

    tree: Name
    pack: Blob
    files: Count
    insertions: Count
    deletions: Count
    left_out: Annotated[tuple[LeftOut, ...], msgspec.Meta(max_length=_MAX_ITEMS)] = ()
    guarded: Annotated[tuple[Line, ...], msgspec.Meta(max_length=_MAX_ITEMS)] = ()
    changes: Blob | None = None


class BudgetExhausted(Fact, frozen=True, tag="budget.exhausted"):
    """A limit was reached; the task waits. Scope cost: micro-dollars; turns; wall: seconds.

    Scopes person and account are limits that tasks share, in micro-dollars; they start again at
    `resets_at`.
    """

    scope: Literal["cost", "turns", "wall", "person", "account"]
    spent: Count
    limit: Count
    resets_at: Moment | None = None


class ArtifactStored(Fact, frozen=True, tag="artifact.stored"):
    """Something to keep was put into the object store under a name people can ask for."""

    name: Line
    media_type: Line
    blob: Blob


class BranchPushed(Fact, frozen=True, tag="branch.pushed"):
    """The work is on the forge."""

    branch: Line
    commit: Name


class PullRequestOpened(Fact, frozen=True, tag="pull_request.opened"):
    """The forge shows the work as a pull request."""

    number: Count
    url: Line
    title: Line


class TaskFinished(Fact, frozen=True, tag="task.finished"):
    """The agent says the work is done. `outcome`: pull_request, branch, or no_changes."""

    summary: Text
    outcome: Literal["pull_request", "branch", "no_changes"]


class TaskFailed(Fact, frozen=True, tag="task.failed"):
    """The work cannot be done. `reason` is a stable code; `remedy` says what to do about it."""

    reason: Line
    detail: Text
    remedy: Text


class AttemptEnded(Fact, frozen=True, tag="attempt.ended"):
    """The worker ends the attempt: done, drained, fenced off, or something it needs is unavailable.

    `detail` says what was unavailable, and for how long.
    """

    attempt: Count
    reason: Line
    detail: Text = ""


class EgressDenied(Fact, frozen=True, tag="egress.denied"):
    """Commands of the task wanted to connect to a host, and were denied, `count` times.

    At most one event per host and minute. `reason`: the rules of the task do not allow the host,
    which a person can change (`rules`), or its address is one that no task may reach (`address`).
    `phase` is that of the attempt. An empty `host` stands for many others.
    """

    host: Line
    port: Count
    count: Count
    reason: Literal["rules", "address"] = "rules"
    phase: Literal["setup", "agent"] = "agent"


WorkerEvent = (
    AttemptStarted
    | WorkspacePrepared
    | EnvironmentPrepared
    | ModelRequested
    | ModelReplied
    | ModelFailed
    | ContextCompacted
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
    | EgressDenied
)
