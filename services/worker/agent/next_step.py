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
from services.worker.agent.approvals.human_input import answer_late, ask, permit
from services.worker.agent.budget import exceeded
from services.worker.agent.delivery import (
    NOT_YET,
    deliver_ended_work,
    deliver_submission,
    finished,
    keep_work,
    pushed_branch,
)
from services.worker.agent.failures import unreadable_history
from services.worker.agent.failures.model_errors import (
    CONTEXT_FULL,
    gave_up,
    out_of_time,
    stopped_short,
)
from services.worker.agent.failures.progress_guard import stalled
from services.worker.agent.state import Attempt, Stopping, Turn
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
    "Turn",
    "Wait",
    "beside",
    "next_step",
    "settle",
    "stop",
]

_WINDOW_EXCEEDED: Final = "model_context_window_exceeded"


def next_step(turn: Turn, now: datetime) -> Step:
    """Name the one thing due."""
    if turn.unreadable:
        return unreadable_history.last_step(turn)
    if turn.submitted is None or turn.is_fenced or turn.has_left:
        return Rest()
    if not turn.is_started:
        return Rest() if turn.is_closed else Record((_taking_up(turn),))
    return _leave(turn) or _clear(turn) or _prepare(turn) or _go_on(turn, now)


def beside(turn: Turn, now: datetime) -> TakeSnapshot | None:
    """Name the snapshot when it may be taken now: by itself, or beside the step that is due.

    It may while the model is asked, and while calls run that change nothing.
    """
    match next_step(turn, now):
        case TakeSnapshot():
            return TakeSnapshot()
        case AskModel() | Record(facts=(ModelRequested(),)) if turn.is_dirty:
            return TakeSnapshot()
        case StartTools() | RunTools() if turn.is_dirty and turn.is_prepared:
            return TakeSnapshot()
        case _:
            return None


def settle(turn: Turn, step: Step) -> Turn:
    """Take note that a step left nothing to record; this attempt need not do it again."""
    match step:
        case TakeSnapshot():
            return replace(turn, unkept=())
        case OpenPullRequest():
            return replace(turn, has_pull_requests=False)
        case _:
            return turn


def settle_merged(turn: Turn) -> Turn:
    """Take note that the base branch holds the pushed work already: nothing is to be proposed."""
    return replace(turn, delivery=replace(turn.delivery, has_nothing_to_merge=True))


def stop(turn: Turn, reason: Stopping, detail: str = "") -> Turn:
    """Take note that this process has to end soon; the first reason stands."""
    return turn if turn.stopping else replace(turn, stopping=reason, stopping_detail=detail)


def _taking_up(turn: Turn) -> AttemptStarted:
    attempt = turn.attempt
    return AttemptStarted(
        attempt=attempt.number,
        machine=attempt.machine,
        build=attempt.build,
        sandbox=attempt.sandbox,
        undone=turn.undone,
    )


def _leave(turn: Turn) -> Step | None:
    reason = turn.ending or turn.stopping
    if not reason:
        return None
    running = [call for call in turn.pending if _is_plain(call) and call.id in turn.started]
    if running:
        return Record(_interrupted(running, reason))
    if turn.stopping and not turn.ending:
        if turn.is_dirty and turn.is_prepared and turn.stopping in ("drained", "deadline"):
            return TakeSnapshot()
        if turn.stopping == "deadline":
            return Record((out_of_time(),))
    detail = "" if turn.ending else turn.stopping_detail
    return Record((AttemptEnded(attempt=turn.attempt.number, reason=reason, detail=detail),))


def _clear(turn: Turn) -> Step | None:
    """Say of calls that will never end, or never run, that it is so."""
    if turn.dropped and turn.pending:
        return answer_late(turn) or Record(_interrupted(turn.pending, turn.dropped))
    lost = [call for call in turn.pending if call.id in turn.orphaned and _is_plain(call)]
    if lost:
        return Record(_interrupted(lost, "machine_lost"))
    if turn.must_tell_model and turn.pending:
        return Record(_interrupted(turn.pending, "not_run"))
    return None


def _prepare(turn: Turn) -> Step | None:
    if turn.is_prepared or turn.submitted is None:
        return None
    if turn.workspace is None:
        return PrepareWorkspace(turn.submitted.repository.base)
    return PrepareWorkspace(turn.workspace.base, turn.workspace.commit, turn.snapshot)


def _go_on(turn: Turn, now: datetime) -> Step:
    """Name the next step of the conversation; before it the snapshot, if it has to come first."""
    step = _use_tools(turn, now) or _close(turn, now) or _talk(turn, now)
    return TakeSnapshot() if turn.is_dirty and _rests_on_a_snapshot(step) else step


def _rests_on_a_snapshot(step: Step) -> bool:
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


def _use_tools(turn: Turn, now: datetime) -> Step | None:
    plain = [call for call in turn.pending if _is_plain(call)]
    running = tuple(call for call in plain if call.id in turn.started)
    if running:
        return RunTools(running)
    if plain:
        together = tuple(takewhile(lambda call: call.name in READ_ONLY, plain))
        return StartTools(together) if together else permit(turn, plain[0], now)
    if turn.is_interrupted:
        return Wait("instruction")
    if turn.pending:
        return ask(turn, turn.pending) or _submit(turn, turn.pending[0], now)
    return None


def _submit(turn: Turn, call: Call, now: datetime) -> Step | None:
    work = submission_in(call)
    if work is None:
        return None
    work = replace(work, body=work.body if work.body.strip() else work.summary)
    if turn.unread_steers and turn.delivery.diff is None:
        return Record((ToolCompleted(call=call.id, output=NOT_YET, is_error=True),))
    if call.id not in turn.started:
        return StartTools((call,))
    return deliver_submission(turn, call, work, now)


def _close(turn: Turn, now: datetime) -> Step | None:
    """End the task when the model has ended its work and nobody said anything since."""
    if turn.reply is None or turn.unread_steers or turn.unread_queued or not turn.is_over:
        return None
    if turn.is_spoken_to or turn.must_tell_model:
        return None
    if work := turn.delivery.submitted:
        return Record((finished(turn, work),))
    if turn.reply.stop_reason in ("end_turn", "stop_sequence"):
        return deliver_ended_work(turn, now)
    if turn.reply.stop_reason == _WINDOW_EXCEEDED and (step := keep_work(turn, now)):
        return step
    return Record((stopped_short(turn.reply.stop_reason, pushed_branch(turn)),))


def _interrupted(calls: Iterable[Call], reason: str) -> tuple[ToolInterrupted, ...]:
    return tuple(ToolInterrupted(call=call.id, reason=reason) for call in calls)


def _is_plain(call: Call) -> bool:
    """Whether a call is a tool's, and not a question or a submission the loop itself sees to."""
    return question_in(call) is None and submission_in(call) is None


def _talk(turn: Turn, now: datetime) -> Step:
    submitted, failure = turn.submitted, turn.failure
    if submitted is None:
        return Rest()
    if turn.is_asked:
        return AskModel(turn.number + 1, submitted.model, submitted.effort)
    if failure is not None and failure.retry_at is None:
        step = keep_work(turn, now) if failure.kind in CONTEXT_FULL else None
        return step or Record((gave_up(failure, pushed_branch(turn)),))
    if stall := stalled(turn):
        return Record((stall,))
    if failure is not None and failure.retry_at is not None and now < failure.retry_at:
        return Wait("provider", failure.retry_at)
    over = turn.allowance.exhausted
    if over is not None and (over.resets_at is None or now < over.resets_at):
        return Wait("budget", over.resets_at)
    if met := exceeded(turn.allowance, now):
        return Record((met,))
    return Record((ModelRequested(turn=turn.number + 1, model=submitted.model),))
