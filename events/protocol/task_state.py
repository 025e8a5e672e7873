"""A task as people see it, folded from its history. Pure.

The projector keeps this state in Postgres and Redis; the gateway folds it itself when both are
behind what was asked for. It is also the JSON that `GET /v1/tasks/{id}` answers.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, assert_never, get_args

import msgspec
from msgspec.structs import replace

from events import (
    AccountId,
    ApprovalAnswered,
    ApprovalRequested,
    ArtifactStored,
    AttemptEnded,
    AttemptStarted,
    BranchPushed,
    BudgetExhausted,
    BudgetRaised,
    GatewayEvent,
    MachineDestroyed,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    PlanItem,
    PlanUpdated,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    Repository,
    RequestId,
    SchedulerEvent,
    SnapshotTaken,
    TaskAbandoned,
    TaskArchived,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskId,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    WorkerEvent,
    WorkspacePrepared,
)
from events.protocol import quarantine, quarantined_task

Phase = Literal["queued", "starting", "working", "waiting", "finished", "failed", "cancelled"]
Waiting = Literal["", "question", "approval", "budget", "provider", "instruction"]
ENDED: frozenset[Phase] = frozenset({"finished", "failed", "cancelled"})
_TITLE_CHARACTERS = 80


class Question(msgspec.Struct, frozen=True):
    """A question of the agent that nobody has answered yet."""

    request: RequestId
    text: str
    options: tuple[str, ...] = ()


class Approval(msgspec.Struct, frozen=True):
    """A call that waits for approval; `command` or `diff` is exactly what it would do."""

    request: RequestId
    title: str
    digest: str
    covers: str
    expires_at: datetime
    command: str = ""
    diff: str = ""


class PullRequest(msgspec.Struct, frozen=True):
    """The pull request as the forge numbers and shows it."""

    number: int
    url: str


class Failure(msgspec.Struct, frozen=True):
    """Reason why a task failed: a stable code, what happened, what to do about it."""

    reason: str
    detail: str
    remedy: str


class TaskState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One task as it stands at `version`. Money in millionths of a US dollar.

    `is_quarantined`: its history cannot be folded any further; `failure` says why.
    """

    id: TaskId
    account: AccountId
    version: int
    phase: Phase
    title: str
    prompt: str
    repository: Repository
    model: str
    submitted_at: datetime
    updated_at: datetime
    waiting: Waiting = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 0
    turns: int = 0
    tool_calls: int = 0
    cost_microusd: int = 0
    machine_cost_microusd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    activity: str = ""
    command: str = ""
    plan: tuple[PlanItem, ...] = ()
    question: Question | None = None
    approval: Approval | None = None
    files_changed: int = 0
    insertions: int = 0
    deletions: int = 0
    branch: str = ""
    commit: str = ""
    pull_request: PullRequest | None = None
    summary: str = ""
    outcome: str = ""
    failure: Failure | None = None
    is_archived: bool = False
    is_quarantined: bool = False


def title_of(prompt: str) -> str:
    """Make a title of a prompt: its first line with words on it, at most 80 characters."""
    line = next((line.strip() for line in prompt.splitlines() if line.strip()), "Untitled")
    return line if len(line) <= _TITLE_CHARACTERS else line[: _TITLE_CHARACTERS - 1].rstrip() + "…"


def evolve(state: TaskState | None, recorded: Recorded) -> TaskState | None:
    """Apply one event.

    A history that does not begin with `task.submitted` has no state (None), and an erased one has
    none any more. Total: no history makes it raise, and an event at or below the state's version
    changes nothing. Where the fold itself breaks, the task is quarantined from there on: every
    reader that folds it comes to the same state.
    """
    if state is not None and state.is_quarantined:
        return quarantined_task.beyond(state, recorded)
    made = quarantine.attempt(_evolve, state, recorded)
    if isinstance(made, quarantine.Broken):
        return _quarantined(state, recorded, made.reason)
    return made


def _evolve(state: TaskState | None, recorded: Recorded) -> TaskState | None:
    event = recorded.event
    if state is None:
        return _submitted(recorded, event) if isinstance(event, TaskSubmitted) else None
    if recorded.version <= state.version:
        return state
    if isinstance(event, TaskErased):
        return None
    state = replace(state, version=recorded.version, updated_at=recorded.at)
    change = _CHANGES.get(type(event))
    return state if change is None else change(state, event, recorded.at)


def _quarantined(state: TaskState | None, recorded: Recorded, reason: str) -> TaskState | None:
    if state is None:
        return None
    detail = f"Its history cannot be read beyond version {state.version}: {reason}"
    failure = Failure(quarantine.REASON, detail, quarantine.REMEDY)
    state = replace(state, version=recorded.version, updated_at=recorded.at, is_quarantined=True)
    return replace(_ended(state, recorded.at, phase="failed"), failure=failure)


def _submitted(recorded: Recorded, event: TaskSubmitted) -> TaskState:
    return TaskState(
        id=recorded.task,
        account=recorded.account,
        version=recorded.version,
        phase="queued",
        title=event.title or title_of(event.prompt),
        prompt=event.prompt,
        repository=event.repository,
        model=event.model,
        submitted_at=recorded.at,
        updated_at=recorded.at,
    )


def _asked(state: TaskState, event: GatewayEvent, at: datetime) -> TaskState:
    match event:
        case TaskInstructed() if state.phase in ENDED:
            return replace(
                state, phase="queued", ended_at=None, failure=None, outcome="", is_archived=False
            )
        case TaskInstructed(mode=mode):
            reasons: tuple[Waiting, ...] = ("instruction", "provider")
            asked: tuple[Waiting, ...] = ("question", "approval") if mode == "steer" else ()
            return _waits_no_more(state, *reasons, *asked)
        case BudgetRaised():
            return _waits_no_more(state, "budget")
        case QuestionAnswered(request=request):
            is_meant = state.question is not None and state.question.request == request
            return _waits_no_more(state, "question") if is_meant else state
        case ApprovalAnswered(request=request):
            is_meant = state.approval is not None and state.approval.request == request
            return _waits_no_more(state, "approval") if is_meant else state
        case TaskInterrupted():
            return _waits(state, "instruction")
        case TaskCancelled():
            return _ended(state, at, phase="cancelled")
        case TaskArchived():
            return replace(state, is_archived=True)
        case TaskSubmitted():
            return state
        case _:
            assert_never(event)


def _staffed(state: TaskState, event: SchedulerEvent, at: datetime) -> TaskState:
    match event:
        case MachineRequested(attempt=attempt):
            return _if_open(
                state,
                phase="starting",
                waiting=_still(state),
                question=None,
                approval=None,
                attempts=max(attempt, state.attempts),
                activity="",
                command="",
            )
        case MachineDestroyed(cost_microusd=cost):
            return replace(state, machine_cost_microusd=state.machine_cost_microusd + cost)
        case TaskAbandoned(reason=reason, detail=detail, remedy=remedy):
            if reason == "tampered" or (reason, state.phase) == ("history_too_large", "finished"):
                state = replace(state, phase="working")  # what ended well is not to be trusted
            return _ended(state, at, phase="failed", failure=Failure(reason, detail, remedy))
        case MachineStarted() | MachineRefused() | MachineLost():
            return state
        case _:
            assert_never(event)


def _worked(state: TaskState, event: WorkerEvent, at: datetime) -> TaskState:
    match event:
        case SnapshotTaken(files=files, insertions=insertions, deletions=deletions):
            return replace(state, files_changed=files, insertions=insertions, deletions=deletions)
        case ToolStarted():
            return _tool_started(state, event, at)
        case ToolCompleted() | ToolInterrupted():
            return _tool_ended(state, event, at)
        case ModelReplied():
            return _replied(state, event, at)
        case ModelRequested():
            return _if_open(_works(state), activity="Thinking", command="")
        case PlanUpdated(items=items):
            return replace(state, plan=items)
        case AttemptStarted(attempt=attempt):
            return _taken_up(state, attempt, at)
        case ModelFailed(retry_at=retry_at):
            return _waits(state, "provider") if retry_at else state
        case QuestionAsked(request=request, text=text, options=options):
            question = Question(request, text, options)
            return _if_open(_waits(state, "question"), question=question)
        case ApprovalRequested():
            return _if_open(_waits(state, "approval"), approval=_shown(event))
        case BudgetExhausted():
            return _waits(state, "budget")
        case WorkspacePrepared(base=base):
            return replace(state, repository=replace(state.repository, base=base))
        case BranchPushed(branch=branch, commit=commit):
            return replace(state, branch=branch, commit=commit)
        case PullRequestOpened(number=number, url=url):
            return replace(state, pull_request=PullRequest(number, url))
        case TaskFinished(summary=summary, outcome=outcome):
            return _ended(state, at, phase="finished", summary=summary, outcome=outcome)
        case TaskFailed(reason=reason, detail=detail, remedy=remedy):
            return _ended(state, at, phase="failed", failure=Failure(reason, detail, remedy))
        case ArtifactStored() | AttemptEnded():
            return state
        case _:
            assert_never(event)


def _ended(state: TaskState, at: datetime, **changes: object) -> TaskState:
    if state.phase in ENDED:
        return state
    waits: dict[str, object] = {"waiting": "", "question": None, "approval": None}
    return replace(state, ended_at=at, activity="", command="", **waits, **changes)


def _tool_started(state: TaskState, event: ToolStarted, _at: datetime) -> TaskState:
    calls = state.tool_calls + 1
    if state.phase in ENDED:
        return replace(state, tool_calls=calls)
    return replace(state, tool_calls=calls, activity=event.title, command=event.command)


def _tool_ended(state: TaskState, _event: WorkerEvent, _at: datetime) -> TaskState:
    return replace(_waits_no_more(state, "approval"), activity="", command="")


def _replied(state: TaskState, event: ModelReplied, _at: datetime) -> TaskState:
    usage = event.usage
    prompt = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    return replace(
        state,
        turns=event.turn,
        cost_microusd=state.cost_microusd + event.cost_microusd,
        input_tokens=state.input_tokens + prompt,
        output_tokens=state.output_tokens + usage.output_tokens,
        activity="",
        command="",
    )


def _if_open(state: TaskState, **changes: object) -> TaskState:
    return state if state.phase in ENDED else replace(state, **changes)


def _waits(state: TaskState, waiting: Waiting) -> TaskState:
    open_no_more: dict[str, object] = {"question": None, "approval": None}
    return _if_open(
        state, phase="waiting", waiting=waiting, activity="", command="", **open_no_more
    )


def _taken_up(state: TaskState, attempt: int, at: datetime) -> TaskState:
    """Begin an attempt: it asks its question again by itself, but an interruption outlives it."""
    waiting = _still(state)
    return _if_open(
        state,
        phase="waiting" if waiting else "working",
        waiting=waiting,
        question=None,
        approval=None,
        attempts=max(attempt, state.attempts),
        started_at=state.started_at or at,
        activity="",
        command="",
    )


def _still(state: TaskState) -> Waiting:
    return "instruction" if state.waiting == "instruction" else ""


def _waits_no_more(state: TaskState, *reasons: Waiting) -> TaskState:
    return _works(state) if state.waiting in reasons else state


def _works(state: TaskState) -> TaskState:
    if not state.waiting and state.phase != "waiting" and not (state.question or state.approval):
        return state
    phase: Phase = "working" if state.phase == "waiting" else state.phase
    return replace(state, phase=phase, waiting="", question=None, approval=None)


def _shown(event: ApprovalRequested) -> Approval:
    return Approval(
        request=event.request,
        title=event.title,
        digest=event.digest,
        covers=event.covers,
        expires_at=event.expires_at,
        command=event.command,
        diff=event.diff,
    )


_Change = Callable[[TaskState, Any, datetime], TaskState]
_GROUPS: Final = ((GatewayEvent, _asked), (SchedulerEvent, _staffed), (WorkerEvent, _worked))
_OFTEN: Final[Mapping[type, _Change]] = {
    ToolStarted: _tool_started,
    ToolCompleted: _tool_ended,
    ModelReplied: _replied,
}
_CHANGES: Final[Mapping[type, _Change]] = MappingProxyType(
    {kind: change for kinds, change in _GROUPS for kind in get_args(kinds)} | dict(_OFTEN)
)
"""The change of each type of fact, found by its type: to match a union is slow."""
