"""The single thing due next, and nothing of how it is done. Pure.

A worker that died and one that never started ask the same question of the same history, and get
the same answer.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile
from typing import Final

from msgspec.structs import replace

from events import (
    AttemptEnded,
    AttemptStarted,
    ModelRequested,
    ToolCompleted,
    ToolInterrupted,
)
from services.worker.agent.approvals.human_input import (
    ask_question,
    pass_on_late_answer,
    permit_call,
)
from services.worker.agent.budget import exceeded_limit
from services.worker.agent.delivery import (
    NOT_YET,
    deliver_ended_work,
    deliver_submission,
    push_unfinished_work,
    pushed_branch,
    task_finished,
)
from services.worker.agent.failures import unreadable_history
from services.worker.agent.failures.model_errors import (
    CONTEXT_FULL,
    deadline_failure,
    model_failure,
    stop_reason_failure,
)
from services.worker.agent.failures.progress_guard import stall_failure
from services.worker.agent.state import AgentState, Attempt, StopReason
from services.worker.agent.steps import (
    AskApproval,
    AskModel,
    OpenPullRequest,
    PrepareWorkspace,
    Push,
    Record,
    Rest,
    RunTools,
    StartTools,
    Step,
    StoreDiff,
    TakeSnapshot,
    Wait,
)
from services.worker.agent.tool_calls import READ_ONLY, Call, question_in, submission_in

__all__ = [
    "AskApproval",
    "AskModel",
    "Attempt",
    "OpenPullRequest",
    "PrepareWorkspace",
    "Push",
    "Record",
    "Rest",
    "RunTools",
    "StartTools",
    "Step",
    "StoreDiff",
    "TakeSnapshot",
    "Wait",
    "mark_done",
    "next_step",
    "parallel_snapshot",
    "request_stop",
]

_WINDOW_EXCEEDED: Final = "model_context_window_exceeded"


def next_step(state: AgentState, now: datetime) -> Step:
    """Name the one thing due."""
    if state.unreadable:
        return unreadable_history.last_step(state)
    if state.submitted is None or state.is_fenced or state.has_left:
        return Rest()
    if not state.is_started:
        return Rest() if state.is_closed else Record((_attempt_started(state),))
    return (
        _end_attempt(state)
        or _end_lost_calls(state)
        or _prepare_workspace(state)
        or _continue_work(state, now)
    )


def parallel_snapshot(state: AgentState, now: datetime) -> TakeSnapshot | None:
    """Name the snapshot when it may be taken now: by itself, or beside the step that is due.

    It may while the model is asked, and while calls run that change nothing.
    """
    match next_step(state, now):
        case TakeSnapshot():
            return TakeSnapshot()
        case AskModel() | Record(facts=(ModelRequested(),)) if state.is_dirty:
            return TakeSnapshot()
        case StartTools() | RunTools() if state.is_dirty and state.is_prepared:
            return TakeSnapshot()
        case _:
            return None


def mark_done(state: AgentState, step: Step) -> AgentState:
    """Take note that a step left nothing to record; this attempt need not do it again."""
    match step:
        case TakeSnapshot():
            return replace(state, unsaved=())
        case OpenPullRequest():
            return replace(state, has_pull_requests=False)
        case _:
            return state


def mark_merged(state: AgentState) -> AgentState:
    """Take note that the base branch holds the pushed work already: nothing is to be proposed."""
    return replace(state, delivery=replace(state.delivery, has_nothing_to_merge=True))


def request_stop(state: AgentState, reason: StopReason, detail: str = "") -> AgentState:
    """Take note that this process has to end soon; the first reason stands."""
    return state if state.stopping else replace(state, stopping=reason, stopping_detail=detail)


def _attempt_started(state: AgentState) -> AttemptStarted:
    attempt = state.attempt
    return AttemptStarted(
        attempt=attempt.number,
        machine=attempt.machine,
        build=attempt.build,
        sandbox=attempt.sandbox,
        undone=state.undone,
    )


def _end_attempt(state: AgentState) -> Step | None:
    reason = state.ending or state.stopping
    if not reason:
        return None
    running = [call for call in state.pending if _is_tool_call(call) and call.id in state.started]
    if running:
        return Record(_interrupted(running, reason))
    if state.stopping and not state.ending:
        if state.is_dirty and state.is_prepared and state.stopping in ("drained", "deadline"):
            return TakeSnapshot()
        if state.stopping == "deadline":
            return Record((deadline_failure(),))
    detail = "" if state.ending else state.stopping_detail
    return Record((AttemptEnded(attempt=state.attempt.number, reason=reason, detail=detail),))


def _end_lost_calls(state: AgentState) -> Step | None:
    """Say of calls that will never end, or never run, that it is so."""
    if state.dropped and state.pending:
        return pass_on_late_answer(state) or Record(_interrupted(state.pending, state.dropped))
    lost = [call for call in state.pending if call.id in state.orphaned and _is_tool_call(call)]
    if lost:
        return Record(_interrupted(lost, "machine_lost"))
    if state.must_tell_model and state.pending:
        return Record(_interrupted(state.pending, "not_run"))
    return None


def _prepare_workspace(state: AgentState) -> Step | None:
    if state.is_prepared or state.submitted is None:
        return None
    if state.workspace is None:
        return PrepareWorkspace(state.submitted.repository.base)
    return PrepareWorkspace(state.workspace.base, state.workspace.commit, state.snapshot)


def _continue_work(state: AgentState, now: datetime) -> Step:
    """Name the next step of the conversation; before it the snapshot, if it has to come first."""
    step = _use_tools(state, now) or _end_task(state, now) or _ask_model(state, now)
    return TakeSnapshot() if state.is_dirty and _needs_snapshot(step) else step


def _needs_snapshot(step: Step) -> bool:
    """Tell whether a step has to wait until the work is kept.

    The model may be asked meanwhile. Of what it asks for then, only what changes nothing may run.
    """
    match step:
        case AskModel() | Record(facts=(ModelRequested(),)):
            return False
        case StartTools(calls=calls) | RunTools(calls=calls):
            return any(call.name not in READ_ONLY for call in calls)
        case _:
            return True


def _use_tools(state: AgentState, now: datetime) -> Step | None:
    plain = [call for call in state.pending if _is_tool_call(call)]
    running = tuple(call for call in plain if call.id in state.started)
    if running:
        return RunTools(running)
    if plain:
        together = tuple(takewhile(lambda call: call.name in READ_ONLY, plain))
        return StartTools(together) if together else permit_call(state, plain[0], now)
    if state.is_interrupted:
        return Wait("instruction")
    if state.pending:
        return ask_question(state, state.pending) or _submit(state, state.pending[0], now)
    return None


def _submit(state: AgentState, call: Call, now: datetime) -> Step | None:
    work = submission_in(call)
    if work is None:
        return None
    work = replace(work, body=work.body if work.body.strip() else work.summary)
    if state.unread_steers and state.delivery.diff is None:
        return Record((ToolCompleted(call=call.id, output=NOT_YET, is_error=True),))
    if call.id not in state.started:
        return StartTools((call,))
    return deliver_submission(state, call, work, now)


def _end_task(state: AgentState, now: datetime) -> Step | None:
    """End the task when the model has ended its work and nobody said anything since."""
    if state.reply is None or state.unread_steers or state.unread_queued or not state.is_over:
        return None
    if state.is_spoken_to or state.must_tell_model:
        return None
    if work := state.delivery.submitted:
        return Record((task_finished(state, work),))
    if state.reply.stop_reason in ("end_turn", "stop_sequence"):
        return deliver_ended_work(state, now)
    if state.reply.stop_reason == _WINDOW_EXCEEDED and (step := push_unfinished_work(state, now)):
        return step
    return Record((stop_reason_failure(state.reply.stop_reason, pushed_branch(state)),))


def _interrupted(calls: Iterable[Call], reason: str) -> tuple[ToolInterrupted, ...]:
    return tuple(ToolInterrupted(call=call.id, reason=reason) for call in calls)


def _is_tool_call(call: Call) -> bool:
    """Whether a call is a tool's, and not a question or a submission the loop itself sees to."""
    return question_in(call) is None and submission_in(call) is None


def _ask_model(state: AgentState, now: datetime) -> Step:
    submitted, failure = state.submitted, state.failure
    if submitted is None:
        return Rest()
    if state.is_asked:
        return AskModel(state.number + 1, submitted.model, submitted.effort)
    if failure is not None and failure.retry_at is None:
        step = push_unfinished_work(state, now) if failure.kind in CONTEXT_FULL else None
        return step or Record((model_failure(failure, pushed_branch(state)),))
    if stall := stall_failure(state):
        return Record((stall,))
    if failure is not None and failure.retry_at is not None and now < failure.retry_at:
        return Wait("provider", failure.retry_at)
    over = state.budget.exhausted
    if over is not None and (over.resets_at is None or now < over.resets_at):
        return Wait("budget", over.resets_at)
    if met := exceeded_limit(state.budget, now):
        return Record((met,))
    return Record((ModelRequested(turn=state.number + 1, model=submitted.model),))
