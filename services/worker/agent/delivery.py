"""How finished work leaves: the difference, the push, the pull request, and what is said of it.

Pure: names the step that is due.
"""

from datetime import datetime
from typing import Final, Literal

from events import CallId, TaskFinished, ToolCompleted
from services.worker.agent.approvals.push_approval import (
    permit_push,
    push_not_allowed,
    push_refusal,
)
from services.worker.agent.state import Delivery, Turn
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


def deliver_submission(turn: Turn, call: Call, work: Submit, now: datetime) -> Step:
    """Deliver what a `submit` that has begun hands in, and answer it."""
    if turn.delivery.diff is not None and turn.delivery.pushed is None:
        if why := push_refusal(turn, call.id, now):
            return Record((ToolCompleted(call=call.id, output=f"{_REFUSED} {why}", is_error=True),))
        if turn.unread_steers and permit_push(turn, call.id, now):
            return Record((ToolCompleted(call=call.id, output=NOT_YET, is_error=True),))
    step = _deliver(turn, work, call.id, now)
    return step or Record((ToolCompleted(call=call.id, output=_receipt(turn)),))


def deliver_ended_work(turn: Turn, now: datetime) -> Step:
    """Deliver the work of a model that ended it in words, and finish the task."""
    text, event = (turn.reply.text, turn.reply.event) if turn.reply else ("", "")
    call = CallId(f"push-{event}")
    if turn.delivery.pushed is None and (why := push_refusal(turn, call, now)):
        return Record((push_not_allowed(why),))
    work = _unsubmitted(turn, text)
    return _deliver(turn, work, call, now) or Record((finished(turn, work),))


def keep_work(turn: Turn, now: datetime) -> Step | None:
    """Push what there is to the branch when the conversation cannot go on; nothing is proposed."""
    if turn.reply is None or turn.workspace is None:
        return None
    if turn.delivery.diff is None:
        return StoreDiff()
    if not turn.delivery.diff.size_bytes or turn.delivery.pushed is not None:
        return None
    call = CallId(f"push-{turn.reply.event}")
    if push_refusal(turn, call, now):
        return None
    work = _unsubmitted(turn, with_left_out(_UNFINISHED, turn.left_out))
    title = one_line(f"Unfinished: {work.title}", _TITLE_CHARACTERS)
    return permit_push(turn, call, now) or Push(title, work.body, turn.reply.event)


def pushed_branch(turn: Turn) -> str:
    """Return the branch that the work was pushed to; empty when it was not."""
    return turn.delivery.pushed.branch if turn.delivery.pushed else ""


def finished(turn: Turn, work: Submit) -> TaskFinished:
    """End the task with what was delivered, and name what was left out of it."""
    sent = turn.delivery
    summary = with_left_out(_with_merged(work.summary, turn), turn.left_out)
    if sent.pushed is None:
        return TaskFinished(summary=summary, outcome="no_changes")
    outcome: Literal["pull_request", "branch"] = "pull_request" if sent.pull_request else "branch"
    return TaskFinished(summary=summary, outcome=outcome)


def _deliver(turn: Turn, work: Submit, call: CallId, now: datetime) -> Step | None:
    sent = turn.delivery
    if sent.diff is None:
        return StoreDiff()
    if not sent.diff.size_bytes or turn.reply is None or turn.workspace is None:
        return None
    if sent.pushed is None:
        return permit_push(turn, call, now) or Push(work.title, work.body, turn.reply.event)
    can_propose = turn.has_pull_requests and not sent.has_nothing_to_merge
    if sent.pull_request is None and can_propose:
        body = with_left_out(work.body, turn.left_out)
        return OpenPullRequest(work.title, body, sent.pushed.branch, turn.workspace.base)
    return None


def _unsubmitted(turn: Turn, text: str) -> Submit:
    """Make up what the model did not say in a `submit`."""
    asked = (turn.submitted.title or turn.submitted.prompt) if turn.submitted else ""
    return Submit(text, one_line(asked, _TITLE_CHARACTERS) or "Work of an agent", text)


def _with_merged(summary: str, turn: Turn) -> str:
    return f"{summary.rstrip()}\n\n{_MERGED}" if turn.delivery.has_nothing_to_merge else summary


def _receipt(turn: Turn) -> str:
    return with_left_out(_delivered(turn.delivery), turn.left_out)


def _delivered(sent: Delivery) -> str:
    if sent.pushed is None:
        return "Submitted. Nothing was changed, so nothing was pushed."
    if sent.has_nothing_to_merge:
        return f"Submitted: pushed to {sent.pushed.branch}. {_MERGED}"
    if sent.pull_request is None:
        return f"Submitted: pushed to {sent.pushed.branch}."
    return f"Submitted: {sent.pull_request.url}"
