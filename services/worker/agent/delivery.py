"""Delivery of finished work: the difference, the push, the pull request, the summary.

Pure: names the step that is due.
"""

from datetime import datetime
from typing import Final, Literal

from events import CallId, TaskFinished, ToolCompleted
from services.worker.agent.approvals.push_approval import (
    permit_push,
    push_not_allowed_failure,
    push_refusal,
)
from services.worker.agent.state import AgentState, Delivery
from services.worker.agent.steps import OpenPullRequest, Push, Record, Step, StoreDiff
from services.worker.agent.text.left_out import with_left_out
from services.worker.agent.tool_calls import Call, Submit, one_line

_TITLE_CHARACTERS: Final = 72
_UNFINISHED: Final = "The conversation grew too long for the model. This is the work so far."
_REFUSED: Final = "Not submitted:"
_MERGED: Final = (
    "No pull request was opened: the base branch holds this work already, so there is nothing to "
    "merge."
)
NOT_YET: Final = (
    "Not submitted: the person said something new first. Take it into account, then submit."
)


def deliver_submission(state: AgentState, call: Call, work: Submit, now: datetime) -> Step:
    """Deliver what a `submit` that has begun hands in, and answer it."""
    if state.delivery.diff is not None and state.delivery.pushed is None:
        if why := push_refusal(state, call.id, now):
            return Record((ToolCompleted(call=call.id, output=f"{_REFUSED} {why}", is_error=True),))
        if state.unread.steers and permit_push(state, call.id, now):
            return Record((ToolCompleted(call=call.id, output=NOT_YET, is_error=True),))
    step = _deliver(state, work, call.id, now)
    receipt = with_left_out(_delivered(state.delivery), state.workspace.left_out)
    return step or Record((ToolCompleted(call=call.id, output=receipt),))


def deliver_ended_work(state: AgentState, now: datetime) -> Step:
    """Deliver the work of a model that ended it in words, and finish the task."""
    reply = state.model.reply
    text, event = (reply.text, reply.event) if reply else ("", "")
    call = CallId(f"push-{event}")
    if state.delivery.pushed is None and (why := push_refusal(state, call, now)):
        return Record((push_not_allowed_failure(why),))
    work = _unsubmitted(state, text)
    return _deliver(state, work, call, now) or Record((task_finished(state, work),))


def push_unfinished_work(state: AgentState, now: datetime) -> Step | None:
    """Push what there is to the branch when the conversation cannot go on; nothing is proposed."""
    reply, sent = state.model.reply, state.delivery
    if reply is None or state.workspace.prepared is None:
        return None
    if sent.diff is None:
        return StoreDiff()
    if not sent.diff.size_bytes or sent.pushed is not None:
        return None
    call = CallId(f"push-{reply.event}")
    if push_refusal(state, call, now):
        return None
    work = _unsubmitted(state, with_left_out(_UNFINISHED, state.workspace.left_out))
    title = one_line(f"Unfinished: {work.title}", _TITLE_CHARACTERS)
    return permit_push(state, call, now) or Push(title, work.body, reply.event)


def pushed_branch(sent: Delivery) -> str:
    """Return the branch that the work was pushed to; empty when it was not."""
    return sent.pushed.branch if sent.pushed else ""


def task_finished(state: AgentState, work: Submit) -> TaskFinished:
    """End the task with what was delivered, and name what was left out of it."""
    sent = state.delivery
    summary = with_left_out(_with_merged(work.summary, sent), state.workspace.left_out)
    if sent.pushed is None:
        return TaskFinished(summary=summary, outcome="no_changes")
    outcome: Literal["pull_request", "branch"] = "pull_request" if sent.pull_request else "branch"
    return TaskFinished(summary=summary, outcome=outcome)


def _deliver(state: AgentState, work: Submit, call: CallId, now: datetime) -> Step | None:
    sent, reply, workspace = state.delivery, state.model.reply, state.workspace
    if sent.diff is None:
        return StoreDiff()
    if not sent.diff.size_bytes or reply is None or workspace.prepared is None:
        return None
    if sent.pushed is None:
        return permit_push(state, call, now) or Push(work.title, work.body, reply.event)
    can_propose = state.process.has_pull_requests and not sent.has_nothing_to_merge
    if sent.pull_request is None and can_propose:
        body = with_left_out(work.body, workspace.left_out)
        return OpenPullRequest(work.title, body, sent.pushed.branch, workspace.prepared.base)
    return None


def _unsubmitted(state: AgentState, text: str) -> Submit:
    """Return the submission of a model that made none: its last words."""
    asked = (state.submitted.title or state.submitted.prompt) if state.submitted else ""
    return Submit(text, one_line(asked, _TITLE_CHARACTERS) or "Work of an agent", text)


def _with_merged(summary: str, sent: Delivery) -> str:
    return f"{summary.rstrip()}\n\n{_MERGED}" if sent.has_nothing_to_merge else summary


def _delivered(sent: Delivery) -> str:
    if sent.pushed is None:
        return "Submitted. Nothing was changed, so nothing was pushed."
    if sent.has_nothing_to_merge:
        return f"Submitted: pushed to {sent.pushed.branch}. {_MERGED}"
    if sent.pull_request is None:
        return f"Submitted: pushed to {sent.pushed.branch}."
    return f"Submitted: {sent.pull_request.url}"
