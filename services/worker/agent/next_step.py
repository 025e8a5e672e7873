"""Next step of a task: the single thing due, and nothing of how it is done. Pure.

A worker that died and one that never started ask the same question of the same history, and get
the same answer.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile

from msgspec.structs import replace

from events import (
    AttemptEnded,
    AttemptStarted,
    ModelRequested,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
)
from services.worker.agent.approvals.human_input import (
    ask_question,
    pass_on_late_answer,
    permit_call,
)
from services.worker.agent.budget import exceeded_limit
from services.worker.agent.context.window import WINDOW_EXCEEDED, is_nearly_full
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
from services.worker.agent.failures.repetition import loop_question, stop_failure
from services.worker.agent.state import AgentState, Attempt, CallsState, StopReason
from services.worker.agent.steps import (
    AskApproval,
    AskModel,
    CompactContext,
    OpenPullRequest,
    PrepareEnvironment,
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
    begin_workspace,
)
from services.worker.agent.tool_calls import READ_ONLY, Call, question_in, submission_in

__all__ = [
    "AskApproval",
    "AskModel",
    "Attempt",
    "CompactContext",
    "OpenPullRequest",
    "PrepareEnvironment",
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


def next_step(state: AgentState, now: datetime) -> Step:
    """Name the one thing due."""
    if state.process.unreadable:
        return unreadable_history.last_step(state)
    if state.submitted is None or state.attempt_status.is_over:
        return Rest()
    if not state.attempt_status.is_started:
        return Rest() if state.lifecycle.is_closed else Record((_attempt_started(state),))
    return (
        _end_attempt(state)
        or _end_lost_calls(state)
        or _prepare_workspace(state)
        or _prepare_environment(state)
        or _continue_work(state, now)
    )


def parallel_snapshot(state: AgentState, now: datetime) -> TakeSnapshot | None:
    """Name the snapshot when it may be taken now: by itself, or beside the step that is due.

    It may while the model is asked, and while calls run that change nothing.
    """
    match next_step(state, now):
        case TakeSnapshot():
            return TakeSnapshot()
        case AskModel() | CompactContext() | Record(facts=(ModelRequested(),)) if (
            state.workspace.is_dirty
        ):
            return TakeSnapshot()
        case StartTools() | RunTools() if state.workspace.is_dirty and state.workspace.is_ready:
            return TakeSnapshot()
        case _:
            return None


def mark_done(state: AgentState, step: Step) -> AgentState:
    """Take note that a step left nothing to record; this attempt need not do it again."""
    match step:
        case TakeSnapshot():
            return replace(state, workspace=replace(state.workspace, unsaved=()))
        case OpenPullRequest():
            return replace(state, process=replace(state.process, has_pull_requests=False))
        case _:
            return state


def mark_merged(state: AgentState) -> AgentState:
    """Take note that the base branch holds the pushed work already: nothing is to be proposed."""
    return replace(state, delivery=replace(state.delivery, has_nothing_to_merge=True))


def request_stop(state: AgentState, reason: StopReason, detail: str = "") -> AgentState:
    """Take note that this process has to end soon; the first reason stands."""
    if state.process.stopping:
        return state
    process = replace(state.process, stopping=reason, stopping_detail=detail)
    return replace(state, process=process)


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
    ending, stopping = state.lifecycle.ending, state.process.stopping
    reason = ending or stopping
    if not reason:
        return None
    running = _running_tools(state.calls)
    if running:
        return Record(_interrupted(running, reason))
    if stopping and not ending:
        can_save = state.workspace.is_dirty and state.workspace.is_ready
        if can_save and stopping in ("drained", "deadline"):
            return TakeSnapshot()
        if stopping == "deadline":
            return Record((deadline_failure(),))
    detail = "" if ending else state.process.stopping_detail
    return Record((AttemptEnded(attempt=state.attempt.number, reason=reason, detail=detail),))


def _end_lost_calls(state: AgentState) -> Step | None:
    """Record of calls that will never end, or never run, that it is so."""
    calls = state.calls
    if calls.dropped and calls.pending:
        return pass_on_late_answer(state) or Record(_interrupted(calls.pending, calls.dropped))
    lost = [each for each in _tools(calls) if each.id in calls.orphaned]
    if lost:
        return Record(_interrupted(lost, "machine_lost"))
    if state.unread.has_lost_work and calls.pending:
        return Record(_interrupted(calls.pending, "not_run"))
    return None


def _prepare_workspace(state: AgentState) -> Step | None:
    workspace = state.workspace
    if workspace.is_ready or state.submitted is None:
        return None
    if workspace.prepared is None:
        return begin_workspace(state.submitted)
    before = workspace.prepared
    return PrepareWorkspace(before.base, before.commit, workspace.snapshot)


def _prepare_environment(state: AgentState) -> Step | None:
    workspace = state.workspace
    if workspace.prepared is None or not state.environment.is_due:
        return None
    return PrepareEnvironment(
        commit=workspace.prepared.commit,
        base=workspace.prepared.base,
        tree=workspace.tree,
        is_untouched=workspace.snapshot is None and state.model.turn == 0,
    )


def _continue_work(state: AgentState, now: datetime) -> Step:
    """Name the next step of the conversation; before it the snapshot, if it has to come first."""
    step = _use_tools(state, now) or _end_task(state, now) or _ask_model(state, now)
    return TakeSnapshot() if state.workspace.is_dirty and _needs_snapshot(step) else step


def _needs_snapshot(step: Step) -> bool:
    """Return whether a step has to wait until the work is kept.

    The model may be asked meanwhile. Of what it asks for then, only what changes nothing may run.
    """
    match step:
        case AskModel() | CompactContext() | Record(facts=(ModelRequested(),)):
            return False
        case StartTools(calls=calls) | RunTools(calls=calls):
            return any(call.name not in READ_ONLY for call in calls)
        case _:
            return True


def _use_tools(state: AgentState, now: datetime) -> Step | None:
    calls = state.calls
    if running := _running_tools(calls):
        return RunTools(running)
    if tools := _tools(calls):
        together = tuple(takewhile(lambda call: call.name in READ_ONLY, tools))
        return StartTools(together) if together else permit_call(state, tools[0], now)
    if state.lifecycle.is_interrupted:
        return Wait("instruction")
    if calls.pending:
        return ask_question(state) or _submit(state, calls.pending[0], now)
    return None


def _submit(state: AgentState, call: Call, now: datetime) -> Step | None:
    work = submission_in(call)
    if work is None:
        return None
    work = replace(work, body=work.body if work.body.strip() else work.summary)
    if state.unread.steers and state.delivery.diff is None:
        return Record((ToolCompleted(call=call.id, output=NOT_YET, is_error=True),))
    if call.id not in state.calls.started:
        return StartTools((call,))
    return deliver_submission(state, call, work, now)


def _end_task(state: AgentState, now: datetime) -> Step | None:
    """End the task when the model has ended its work and nobody said anything since."""
    reply, unread = state.model.reply, state.unread
    if reply is None or unread.has_instructions or not state.is_work_over:
        return None
    if state.model.is_reply_due or unread.has_lost_work:
        return None
    if work := state.delivery.submitted:
        return Record((task_finished(state, work),))
    if reply.stop_reason in ("end_turn", "stop_sequence"):
        return deliver_ended_work(state, now)
    return Record((stop_reason_failure(reply.stop_reason),))


def _interrupted(calls: Iterable[Call], reason: str) -> tuple[ToolInterrupted, ...]:
    return tuple(ToolInterrupted(call=call.id, reason=reason) for call in calls)


def _tools(calls: CallsState) -> tuple[Call, ...]:
    """Return the calls of tools: no question and no submission, which the loop itself sees to."""
    return tuple(
        each for each in calls.pending if question_in(each) is None and submission_in(each) is None
    )


def _running_tools(calls: CallsState) -> tuple[Call, ...]:
    return tuple(each for each in _tools(calls) if each.id in calls.started)


def _ask_model(state: AgentState, now: datetime) -> Step:
    submitted, model = state.submitted, state.model
    failure = model.failures.newest
    if submitted is None:
        return Rest()
    if model.is_asked:
        return AskModel(model.turn + 1, submitted.model, submitted.effort)
    if state.context.is_overflowing:
        return _after_overflow(state, submitted, now)
    if failure is not None and failure.retry_at is None:
        return Record((model_failure(failure),))
    if step := _ask_about_loop(state):
        return step
    if stall := stall_failure(model):
        return Record((stall,))
    if failure is not None and failure.retry_at is not None and now < failure.retry_at:
        return Wait("provider", failure.retry_at)
    over = state.budget.exhausted
    if over is not None and (over.resets_at is None or now < over.resets_at):
        return Wait("budget", over.resets_at)
    if met := exceeded_limit(state.budget, now):
        return Record((met,))
    if is_nearly_full(state.context, submitted.model) and model.reply is not None:
        return CompactContext(model.turn + 1, submitted.model, submitted.effort, "model")
    leaves_queued = bool(state.unread.queued) and not state.is_work_over
    return Record(
        (ModelRequested(turn=model.turn + 1, model=submitted.model, leaves_queued=leaves_queued),)
    )


def _ask_about_loop(state: AgentState) -> Step | None:
    """Ask the person whether an agent that repeats itself shall go on."""
    repetition, task = state.repetition, state.position.task
    if not repetition.event:
        return None
    if repetition.is_stopped:
        return Record((stop_failure(repetition),))
    if state.question.is_asked(repetition.request(task)):
        return Wait("question")
    return Record((loop_question(repetition, task),))


def _after_overflow(state: AgentState, submitted: TaskSubmitted, now: datetime) -> Step:
    """Compact a conversation that the model cannot read any more; end the task if that was vain."""
    model, failure = state.model, state.model.failures.newest
    if state.context.overflows == 1 and model.reply is not None:
        return CompactContext(model.turn + 1, submitted.model, submitted.effort, "worker")
    if step := push_unfinished_work(state, now):
        return step
    branch = pushed_branch(state.delivery)
    if failure is not None and failure.kind in CONTEXT_FULL:
        return Record((model_failure(failure, branch),))
    return Record((stop_reason_failure(WINDOW_EXCEEDED, branch),))
