"""A task's history, folded event by event into where it stands. Pure."""

from datetime import datetime
from types import MappingProxyType

from msgspec.structs import replace

from events import (
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
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    SchedulerEvent,
    SnapshotTaken,
    TaskAbandoned,
    TaskArchived,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    WorkerEvent,
    WorkspacePrepared,
)
from services.worker.agent.approvals import policy
from services.worker.agent.budget import (
    add_cost,
    add_waiting_time,
    forget_foreign_limit,
    raise_limit,
    start_budget,
)
from services.worker.agent.state import DIFF_NAME, AgentState, Delivery, Reply
from services.worker.agent.tool_calls import (
    MUTATING,
    WHOLE,
    calls_of,
    submission_in,
    text_of,
    wants_more,
)


def evolve(state: AgentState, recorded: Recorded) -> AgentState:
    """Apply one event. The caller sees to it that versions follow one another."""
    event = recorded.event
    if state.at is not None and state.is_for_a_person:
        seconds = (recorded.at - state.at).total_seconds()
        state = replace(state, budget=add_waiting_time(state.budget, max(0.0, seconds)))
    state = replace(state, task=recorded.task, head=recorded.head, last=recorded.id, at=recorded.at)
    if isinstance(event, GatewayEvent):
        return _evolve_by_person(state, event)
    if isinstance(event, SchedulerEvent):
        return _evolve_by_scheduler(state, event)
    if isinstance(event, WorkerEvent):
        return _evolve_by_worker(state, event, recorded.at)
    return replace(state, is_closed=True, is_fenced=True)


def _evolve_by_person(state: AgentState, event: GatewayEvent) -> AgentState:
    match event:
        case TaskSubmitted():
            return replace(state, submitted=event, budget=start_budget(event.budget))
        case TaskInstructed(mode=mode):
            return replace(
                state,
                unread_steers=state.unread_steers + (mode == "steer"),
                unread_queued=state.unread_queued + (mode == "queue"),
                is_closed=False,
                is_interrupted=False,
                failure=None,
                failures=0,
                failing_since=None,
                nudges=0,
                fruitless=0,
                budget=forget_foreign_limit(state.budget),
                approvals=policy.reopen_denied_pushes(state.approvals),
            )
        case QuestionAnswered():
            return replace(state, answer=event, fruitless=0)
        case ApprovalAnswered():
            return replace(state, approvals=policy.add_answer(state.approvals, event), fruitless=0)
        case BudgetRaised():
            return replace(state, budget=raise_limit(state.budget, event))
        case TaskInterrupted():
            return (
                state
                if state.is_closed
                else _drop_calls(replace(state, is_interrupted=True), "interrupted")
            )
        case TaskCancelled():
            return _close_task(state, "cancelled")
        case TaskArchived():
            return state


def _evolve_by_scheduler(state: AgentState, event: SchedulerEvent) -> AgentState:
    mine = state.attempt.number
    match event:
        case MachineRequested(attempt=attempt):
            return replace(state, is_fenced=state.is_fenced or attempt > mine)
        case MachineLost(attempt=attempt) | MachineDestroyed(attempt=attempt):
            return replace(state, is_fenced=state.is_fenced or attempt == mine)
        case TaskAbandoned():
            return _close_task(state, "abandoned")
        case MachineStarted() | MachineRefused():
            return state


def _evolve_by_worker(state: AgentState, event: WorkerEvent, at: datetime) -> AgentState:
    match event:
        case AttemptStarted():
            return _begin_attempt(state, event, at)
        case AttemptEnded(attempt=attempt):
            return replace(state, has_left=state.has_left or attempt == state.attempt.number)
        case WorkspacePrepared():
            return replace(state, workspace=event, is_prepared=True, unsaved=())
        case SnapshotTaken():
            return replace(state, snapshot=event, unsaved=())
        case ModelRequested() | ModelReplied() | ModelFailed():
            return _evolve_model(state, event, at)
        case QuestionAsked():
            return replace(state, question=event, unsaved=())  # asked once the work is kept
        case ApprovalRequested():
            return replace(state, approvals=policy.add_request(state.approvals, event), unsaved=())
        case ToolStarted(call=call, tree=tree):
            return replace(
                state,
                started=MappingProxyType({**state.started, call: event}),
                orphaned=state.orphaned - {call},
                unsaved=() if tree else state.unsaved,
            )
        case ToolCompleted() | ToolInterrupted():
            return _end_call(state, event)
        case BudgetExhausted():
            budget = replace(state.budget, exhausted=event)
            return replace(state, is_asked=False, budget=budget)
        case ArtifactStored(name=name, blob=blob):
            is_diff = name == DIFF_NAME
            return replace(_update_delivery(state, diff=blob), unsaved=()) if is_diff else state
        case BranchPushed():
            return _update_delivery(state, pushed=event)
        case PullRequestOpened():
            return _update_delivery(state, pull_request=event)
        case TaskFinished():
            return _close_task(state, "finished")
        case TaskFailed():
            return _close_task(state, "failed")
        case _:
            return state


def _begin_attempt(state: AgentState, event: AttemptStarted, at: datetime) -> AgentState:
    mine = state.attempt.number
    started_at = state.budget.started_at or at
    return replace(
        state,
        is_started=state.is_started or event.attempt == mine,
        is_fenced=state.is_fenced or event.attempt > mine,
        ending="",
        is_prepared=False,
        unsaved=(),
        must_tell_model=state.must_tell_model or bool(state.undone),
        is_asked=False,
        orphaned=frozenset(state.started),
        question=None,
        approvals=policy.forget_unanswered(state.approvals),
        budget=replace(state.budget, started_at=started_at, exhausted=None),
    )


def _evolve_model(
    state: AgentState, event: ModelRequested | ModelReplied | ModelFailed, at: datetime
) -> AgentState:
    match event:
        case ModelRequested():
            return replace(
                state,
                is_asked=True,
                is_spoken_to=True,
                must_tell_model=False,
                unread_steers=0,
                unread_queued=0 if state.is_over else state.unread_queued,
                budget=replace(state.budget, exhausted=None),
            )
        case ModelFailed():
            since = state.failing_since or at
            return replace(
                state,
                is_asked=False,
                failure=event,
                failures=state.failures + 1,
                failing_since=since,
            )
        case ModelReplied():
            calls = calls_of(event.blocks) if event.stop_reason in WHOLE else ()
            text = text_of(event.blocks)
            is_unfinished = bool(calls) or wants_more(event.stop_reason, text)
            return replace(
                state,
                number=event.turn,
                is_asked=False,
                failure=None,
                failures=0,
                failing_since=None,
                is_spoken_to=False,
                reply=Reply(state.last, event.stop_reason, text, is_unfinished),
                nudges=state.nudges + 1 if is_unfinished and not calls else 0,
                fruitless=state.fruitless + 1,
                pending=calls,
                started=MappingProxyType({}),
                orphaned=frozenset(),
                dropped="",
                delivery=Delivery(),
                approvals=policy.forget_requests(state.approvals),
                budget=add_cost(state.budget, event.cost_microusd),
            )


def _end_call(state: AgentState, event: ToolCompleted | ToolInterrupted) -> AgentState:
    ended = next((each for each in state.pending if each.id == event.call), None)
    if ended is None:
        return state
    is_accepted = isinstance(event, ToolCompleted) and not event.is_error
    is_cut_off = isinstance(event, ToolInterrupted) and ended.id in state.started
    has_run = (ended.id in state.started or is_accepted) and ended.id not in state.orphaned
    is_answered = state.question is not None and state.question.call == ended.id
    is_changing = ended.name in MUTATING
    if is_accepted:
        state = replace(state, fruitless=0)
    state = replace(
        state,
        pending=tuple(each for each in state.pending if each is not ended),
        started=MappingProxyType({c: e for c, e in state.started.items() if c != ended.id}),
        orphaned=state.orphaned - {ended.id},
        unsaved=(*state.unsaved, state.as_undone(ended))
        if is_changing and has_run
        else state.unsaved,
        must_tell_model=state.must_tell_model or (is_changing and is_cut_off),
        approvals=policy.forget_call(state.approvals, ended.id),
        question=None if is_answered else state.question,
        answer=None if is_answered else state.answer,
    )
    work = submission_in(ended) if is_accepted else None
    return _update_delivery(state, submitted=work) if work else state


def _update_delivery(state: AgentState, **changes: object) -> AgentState:
    return replace(state, delivery=replace(state.delivery, **changes))


def _drop_calls(state: AgentState, reason: str) -> AgentState:
    """Give up what was under way: its calls are not run, an answer of the model is not awaited."""
    return replace(
        state, is_asked=False, dropped=(state.dropped or reason) if state.pending else ""
    )


def _close_task(state: AgentState, ending: str) -> AgentState:
    is_mine = state.is_started and not state.has_left
    state = replace(state, is_closed=True, ending=ending if is_mine else "")
    return _drop_calls(replace(state, approvals=policy.Approvals()), ending)
