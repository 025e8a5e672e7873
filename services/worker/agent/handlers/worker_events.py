"""Handlers of the events of workers, this one and those before it. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from events import (
    ApprovalRequested,
    ArtifactStored,
    AttemptEnded,
    AttemptStarted,
    BranchPushed,
    BudgetExhausted,
    ContextCompacted,
    EgressDenied,
    EnvironmentPrepared,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    PlanUpdated,
    PullRequestOpened,
    QuestionAsked,
    SnapshotTaken,
    TaskFailed,
    TaskFinished,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    WorkspacePrepared,
)
from services.worker.agent.approvals import policy
from services.worker.agent.budget import add_cost, add_summary_cost
from services.worker.agent.context import window
from services.worker.agent.failures.model_errors import CONTEXT_FULL
from services.worker.agent.failures.repetition import Repetition, add_result
from services.worker.agent.handlers.changes import Handler, close_task, ignore, with_progress
from services.worker.agent.state import (
    DIFF_NAME,
    AgentState,
    CallsState,
    Delivery,
    EnvironmentState,
    ModelFailures,
    ModelState,
    QuestionState,
    Reply,
    Unread,
    WorkspaceState,
)
from services.worker.agent.tool_calls import (
    MUTATING,
    WHOLE,
    Call,
    calls_of,
    size_bytes_of,
    submission_in,
    text_of,
    wants_more,
)


def _start_attempt(state: AgentState, event: AttemptStarted) -> AgentState:
    mine, status = state.attempt.number, state.attempt_status
    started_at = state.budget.started_at or state.position.at
    has_lost_work = state.unread.has_lost_work or bool(state.undone)
    return replace(
        state,
        attempt_status=replace(
            status,
            is_started=status.is_started or event.attempt == mine,
            is_fenced=status.is_fenced or event.attempt > mine,
        ),
        lifecycle=replace(state.lifecycle, ending=""),
        workspace=replace(state.workspace, is_ready=False, unsaved=()),
        environment=replace(state.environment, is_due=False),
        unread=replace(state.unread, has_lost_work=has_lost_work),
        model=replace(state.model, is_asked=False),
        calls=replace(state.calls, orphaned=frozenset(state.calls.started)),
        question=replace(state.question, asked=None),
        approvals=policy.forget_unanswered(state.approvals),
        budget=replace(state.budget, started_at=started_at, exhausted=None),
    )


def _end_attempt(state: AgentState, event: AttemptEnded) -> AgentState:
    status = state.attempt_status
    has_left = status.has_left or event.attempt == state.attempt.number
    return replace(state, attempt_status=replace(status, has_left=has_left))


def _prepare_workspace(state: AgentState, event: WorkspacePrepared) -> AgentState:
    snapshot = state.workspace.snapshot
    return replace(
        state,
        workspace=WorkspaceState(event, is_ready=True, snapshot=snapshot),
        environment=replace(state.environment, is_due=bool(event.environment)),
    )


def _prepare_environment(state: AgentState, event: EnvironmentPrepared) -> AgentState:
    return replace(state, environment=EnvironmentState(event))


def _save_snapshot(state: AgentState, event: SnapshotTaken) -> AgentState:
    return replace(state, workspace=replace(state.workspace, snapshot=event, unsaved=()))


def _ask_model(state: AgentState, _event: ModelRequested) -> AgentState:
    queued = () if state.is_work_over else state.unread.queued
    return replace(
        state,
        model=replace(state.model, is_asked=True, is_reply_due=True),
        unread=Unread(queued=queued),
        budget=replace(state.budget, exhausted=None),
    )


def _fail_model(state: AgentState, event: ModelFailed) -> AgentState:
    before = state.model.failures
    failures = ModelFailures(event, before.count + 1, before.since or state.position.at)
    is_overflow = event.kind in CONTEXT_FULL
    return replace(
        state,
        model=replace(state.model, is_asked=False, failures=failures),
        context=window.count_overflow(state.context) if is_overflow else state.context,
    )


def _compact_context(state: AgentState, event: ContextCompacted) -> AgentState:
    return replace(
        state,
        model=replace(state.model, failures=ModelFailures()),
        context=window.count_compaction(state.context, event),
        budget=add_summary_cost(state.budget, event.cost_microusd),
    )


def _add_reply(state: AgentState, event: ModelReplied) -> AgentState:
    calls = calls_of(event.blocks) if event.stop_reason in WHOLE else ()
    text = text_of(event.blocks)
    is_unfinished = bool(calls) or wants_more(event.stop_reason, text)
    return replace(
        state,
        model=ModelState(
            turn=event.turn,
            reply=Reply(state.position.event, event.stop_reason, text, is_unfinished),
            nudges=state.model.nudges + 1 if is_unfinished and not calls else 0,
            fruitless=state.model.fruitless + 1,
        ),
        calls=CallsState(calls),
        delivery=Delivery(),
        approvals=policy.forget_requests(state.approvals),
        budget=add_cost(state.budget, event.cost_microusd),
        context=window.count_reply(
            state.context, event.usage, size_bytes_of(event.blocks), event.stop_reason
        ),
    )


def _ask_question(state: AgentState, event: QuestionAsked) -> AgentState:
    question = replace(state.question, asked=event)
    return replace(state, question=question, workspace=_saved(state.workspace))


def _ask_approval(state: AgentState, event: ApprovalRequested) -> AgentState:
    approvals = policy.add_request(state.approvals, event)
    return replace(state, approvals=approvals, workspace=_saved(state.workspace))


def _start_call(state: AgentState, event: ToolStarted) -> AgentState:
    calls = state.calls
    return replace(
        state,
        calls=replace(
            calls,
            started=MappingProxyType({**calls.started, event.call: event}),
            orphaned=calls.orphaned - {event.call},
        ),
        workspace=_saved(state.workspace) if event.tree else state.workspace,
    )


def _end_call(state: AgentState, event: ToolCompleted | ToolInterrupted) -> AgentState:
    calls, unread = state.calls, state.unread
    ended = next((each for each in calls.pending if each.id == event.call), None)
    if ended is None:
        return state
    is_accepted = isinstance(event, ToolCompleted) and not event.is_error
    output_bytes = len(event.output.encode()) if isinstance(event, ToolCompleted) else 0
    is_started, is_changing = ended.id in calls.started, ended.name in MUTATING
    has_run = (is_started or is_accepted) and ended.id not in calls.orphaned
    is_cut_off = is_changing and is_started and isinstance(event, ToolInterrupted)
    is_answered = state.question.asked is not None and state.question.asked.call == ended.id
    work = submission_in(ended) if is_accepted else None
    return replace(
        state,
        calls=replace(
            calls,
            pending=tuple(each for each in calls.pending if each is not ended),
            started=MappingProxyType({c: e for c, e in calls.started.items() if c != ended.id}),
            orphaned=calls.orphaned - {ended.id},
        ),
        workspace=_changed(state, ended) if is_changing and has_run else state.workspace,
        unread=replace(unread, has_lost_work=True) if is_cut_off else unread,
        model=with_progress(state.model) if is_accepted else state.model,
        context=window.add_bytes(state.context, output_bytes),
        repetition=_repetition(state, ended, event),
        approvals=policy.forget_call(state.approvals, ended.id),
        question=QuestionState() if is_answered else state.question,
        delivery=replace(state.delivery, submitted=work) if work else state.delivery,
    )


def _repetition(
    state: AgentState, call: Call, event: ToolCompleted | ToolInterrupted
) -> Repetition:
    if isinstance(event, ToolInterrupted):
        return state.repetition
    result = f"{event.exit_code} {event.is_error} {event.output}"
    return add_result(state.repetition, call, result, state.position.event)


def _exhaust_budget(state: AgentState, event: BudgetExhausted) -> AgentState:
    budget = replace(state.budget, exhausted=event)
    return replace(state, model=replace(state.model, is_asked=False), budget=budget)


def _store_artifact(state: AgentState, event: ArtifactStored) -> AgentState:
    if event.name != DIFF_NAME:
        return state
    delivery = replace(state.delivery, diff=event.blob)
    return replace(state, delivery=delivery, workspace=_saved(state.workspace))


def _push_branch(state: AgentState, event: BranchPushed) -> AgentState:
    return replace(state, delivery=replace(state.delivery, pushed=event))


def _open_pull_request(state: AgentState, event: PullRequestOpened) -> AgentState:
    return replace(state, delivery=replace(state.delivery, pull_request=event))


def _finish_task(state: AgentState, _event: TaskFinished) -> AgentState:
    return close_task(state, "finished")


def _fail_task(state: AgentState, _event: TaskFailed) -> AgentState:
    return close_task(state, "failed")


def _saved(workspace: WorkspaceState) -> WorkspaceState:
    """Note that all changes are kept: the event that says so comes once they are."""
    return replace(workspace, unsaved=())


def _changed(state: AgentState, ended: Call) -> WorkspaceState:
    unsaved = (*state.workspace.unsaved, state.calls.as_undone(ended))
    return replace(state.workspace, unsaved=unsaved)


HANDLERS: Final[Mapping[type, Handler]] = {
    AttemptStarted: _start_attempt,
    WorkspacePrepared: _prepare_workspace,
    EnvironmentPrepared: _prepare_environment,
    ModelRequested: _ask_model,
    ModelReplied: _add_reply,
    ModelFailed: _fail_model,
    ContextCompacted: _compact_context,
    PlanUpdated: ignore,
    QuestionAsked: _ask_question,
    ApprovalRequested: _ask_approval,
    ToolStarted: _start_call,
    ToolCompleted: _end_call,
    ToolInterrupted: _end_call,
    SnapshotTaken: _save_snapshot,
    BudgetExhausted: _exhaust_budget,
    ArtifactStored: _store_artifact,
    BranchPushed: _push_branch,
    PullRequestOpened: _open_pull_request,
    TaskFinished: _finish_task,
    TaskFailed: _fail_task,
    AttemptEnded: _end_attempt,
    EgressDenied: ignore,
}
