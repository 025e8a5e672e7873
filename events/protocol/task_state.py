"""A task as people see it, folded from its history. Pure.

The projector keeps this state in Postgres and Redis; the gateway folds it itself when both are
behind what was asked for. Its shape stands in `events.protocol.api.task_shapes`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, assert_never, get_args

from msgspec.structs import replace

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    ArtifactStored,
    AttemptEnded,
    AttemptStarted,
    BranchPushed,
    Budget,
    BudgetExhausted,
    BudgetRaised,
    ContextCompacted,
    EgressAllowed,
    EgressDenied,
    EnvironmentPrepared,
    GatewayEvent,
    InstructionEdited,
    InstructionWithdrawn,
    MachineDestroyed,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    PlanUpdated,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    SchedulerEvent,
    SnapshotTaken,
    TaskAbandoned,
    TaskArchived,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    Usage,
    WorkerEvent,
    WorkspacePrepared,
)
from events.plain_text import title_of
from events.protocol import quarantine, quarantined_task
from events.protocol.api import instructions
from events.protocol.api.task_shapes import (
    ENDED,
    Approval,
    ExhaustedBudget,
    Failure,
    Origin,
    Phase,
    PullRequest,
    Question,
    TaskBudget,
    TaskState,
    Waiting,
)

__all__ = [
    "ENDED",
    "SETTING_UP",
    "Approval",
    "ExhaustedBudget",
    "Failure",
    "Origin",
    "Phase",
    "PullRequest",
    "Question",
    "TaskBudget",
    "TaskState",
    "Waiting",
    "evolve",
    "title_of",
]


SETTING_UP: Final = "Set up the environment"
"""The activity between the workspace and its environment."""


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
    if type(event) in instructions.CHANGES:
        state = replace(state, instructions=instructions.evolve(state.instructions, recorded))
    change = _CHANGES.get(type(event))
    if change is None:
        return state
    changed = change(state, event, recorded.at)
    if changed.phase == state.phase and changed.waiting == state.waiting:
        return changed
    return replace(changed, since=recorded.at)


def _quarantined(state: TaskState | None, recorded: Recorded, reason: str) -> TaskState | None:
    if state is None:
        return None
    detail = f"Its history cannot be read beyond version {state.version}: {reason}"
    failure = Failure(quarantine.REASON, detail, quarantine.REMEDY)
    state = replace(state, version=recorded.version, updated_at=recorded.at, is_quarantined=True)
    is_news = state.phase not in ENDED
    state = replace(_ended(state, recorded.at, phase="failed"), failure=failure)
    return replace(state, since=recorded.at) if is_news else state


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
        since=recorded.at,
        budget=_begun(event.budget),
        policy=event.policy,
        origin=Origin(event.origin.task, event.origin.version) if event.origin else None,
    )


def _begun(budget: Budget) -> TaskBudget:
    return TaskBudget(budget.cost_microusd, budget.turns, budget.wall_seconds, budget)


def _asked(state: TaskState, event: GatewayEvent, at: datetime) -> TaskState:
    match event:
        case TaskInstructed() if state.phase in ENDED:
            state = _forget_shared_limit(state)
            return replace(
                state, phase="queued", ended_at=None, failure=None, outcome="", is_archived=False
            )
        case TaskInstructed(mode=mode):
            state = _forget_shared_limit(state)
            reasons: tuple[Waiting, ...] = ("instruction", "provider")
            asked: tuple[Waiting, ...] = ("question", "approval") if mode == "steer" else ()
            return _waits_no_more(state, *reasons, *asked)
        case BudgetRaised(cost_microusd=cost):
            return _waits_no_more(_raised(state, cost), "budget")
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
        case TaskSubmitted() | InstructionEdited() | InstructionWithdrawn() | EgressAllowed():
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
                retry_at=None,
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
        case ContextCompacted(usage=usage, cost_microusd=cost):
            return _paid(state, usage, cost)
        case ModelRequested():
            state = _if_open(_works(state), activity="Thinking", command="")
            return replace(state, budget_exhausted=None) if state.budget_exhausted else state
        case PlanUpdated(items=items):
            return replace(state, plan=items)
        case AttemptStarted(attempt=attempt):
            return _taken_up(state, attempt, at)
        case ModelFailed(retry_at=retry_at):
            return _if_open(_waits(state, "provider"), retry_at=retry_at) if retry_at else state
        case QuestionAsked(request=request, text=text, options=options):
            question = Question(request, text, options)
            return _if_open(_waits(state, "question"), question=question)
        case ApprovalRequested():
            return _if_open(_waits(state, "approval"), approval=_shown(event))
        case BudgetExhausted():
            met = ExhaustedBudget(event.scope, event.spent, event.limit, event.resets_at)
            return replace(_waits(state, "budget"), budget_exhausted=met)
        case WorkspacePrepared(base=base, environment=environment):
            state = replace(state, repository=replace(state.repository, base=base))
            return _if_open(state, activity=SETTING_UP) if environment else state
        case EnvironmentPrepared():
            return _if_open(state, activity="")
        case BranchPushed(branch=branch, commit=commit):
            return replace(state, branch=branch, commit=commit)
        case PullRequestOpened(number=number, url=url):
            return replace(state, pull_request=PullRequest(number, url))
        case TaskFinished(summary=summary, outcome=outcome):
            return _ended(state, at, phase="finished", summary=summary, outcome=outcome)
        case TaskFailed(reason=reason, detail=detail, remedy=remedy):
            return _ended(state, at, phase="failed", failure=Failure(reason, detail, remedy))
        case ArtifactStored() | AttemptEnded() | EgressDenied():
            return state
        case _:
            assert_never(event)


def _ended(state: TaskState, at: datetime, **changes: object) -> TaskState:
    if state.phase in ENDED:
        return state
    waits: dict[str, object] = {"waiting": "", **_NOTHING_ASKED}
    return replace(state, ended_at=at, activity="", command="", **waits, **changes)


def _tool_started(state: TaskState, event: ToolStarted, _at: datetime) -> TaskState:
    calls = state.tool_calls + 1
    if state.phase in ENDED:
        return replace(state, tool_calls=calls)
    return replace(state, tool_calls=calls, activity=event.title, command=event.command)


def _tool_ended(state: TaskState, _event: WorkerEvent, _at: datetime) -> TaskState:
    return replace(_waits_no_more(state, "approval"), activity="", command="")


def _replied(state: TaskState, event: ModelReplied, _at: datetime) -> TaskState:
    state = _paid(state, event.usage, event.cost_microusd)
    return replace(state, turns=event.turn, activity="", command="")


def _paid(state: TaskState, usage: Usage, cost_microusd: int) -> TaskState:
    prompt = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    return replace(
        state,
        cost_microusd=state.cost_microusd + cost_microusd,
        input_tokens=state.input_tokens + prompt,
        output_tokens=state.output_tokens + usage.output_tokens,
    )


def _if_open(state: TaskState, **changes: object) -> TaskState:
    return state if state.phase in ENDED else replace(state, **changes)


def _waits(state: TaskState, waiting: Waiting) -> TaskState:
    return _if_open(
        state, phase="waiting", waiting=waiting, activity="", command="", **_NOTHING_ASKED
    )


def _taken_up(state: TaskState, attempt: int, at: datetime) -> TaskState:
    """Begin an attempt: it asks its question again by itself, but an interruption outlives it."""
    waiting = _still(state)
    if state.budget_exhausted:
        state = replace(state, budget_exhausted=None)
    return _if_open(
        state,
        phase="waiting" if waiting else "working",
        waiting=waiting,
        question=None,
        approval=None,
        retry_at=None,
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
    return replace(state, phase=phase, waiting="", question=None, approval=None, retry_at=None)


def _raised(state: TaskState, cost_microusd: int) -> TaskState:
    """Raise the budget as the worker does: when turns or time ran out, by what was submitted."""
    met = state.budget_exhausted
    if (limits := state.budget) is None:  # an older version folded it
        return replace(state, budget_exhausted=None)
    scope, submitted = met.scope if met else "cost", limits.submitted
    raised = TaskBudget(
        cost_microusd=limits.cost_microusd and limits.cost_microusd + cost_microusd,
        turns=limits.turns + (submitted.turns if scope == "turns" else 0),
        wall_seconds=limits.wall_seconds + (submitted.wall_seconds if scope == "wall" else 0),
        submitted=submitted,
    )
    return replace(state, budget=raised, budget_exhausted=None)


def _forget_shared_limit(state: TaskState) -> TaskState:
    """Forget that a limit was met that tasks share: it may have been raised since."""
    is_shared = state.budget_exhausted and state.budget_exhausted.scope in {"person", "account"}
    return replace(state, budget_exhausted=None) if is_shared else state


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


_NOTHING_ASKED: Final[Mapping[str, object]] = MappingProxyType(
    {"question": None, "approval": None, "retry_at": None}
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
