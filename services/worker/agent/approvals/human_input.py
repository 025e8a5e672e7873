"""When the loop needs a person's word: an answer to a question, or leave for a call.

Pure: names the step that is due. What is waited for survives the machine: it is in the history.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from events import QuestionAsked, ToolCompleted, ToolStarted, request_id
from services.worker.agent.approvals.policy import rule, wanted
from services.worker.agent.state import Turn
from services.worker.agent.steps import AskApproval, Record, StartTools, Wait
from services.worker.agent.tool_calls import Call, one_line, question_in

_WROTE_INSTEAD: Final = "The person gave no answer here but wrote something new, which follows."
_WROTE_FIRST: Final = (
    "The call was not made: it needs the person's leave, and they wrote something new first, which "
    "follows."
)
_DENIED: Final = (
    "The person does not allow this call; it was not made. Go on without it, or ask what they want."
)
_UNANSWERED: Final = "The call was not made: nobody answered in time whether it is allowed."


_ENDED_FIRST: Final = (
    "The task had ended before the person answered this question. They wrote later, which follows: "
    "it may be the answer."
)


def permit(turn: Turn, call: Call, now: datetime) -> StartTools | AskApproval | Record | Wait:
    """Start a call, or ask a person first where the task's policy says so."""
    policy = turn.submitted.policy if turn.submitted else "never"
    want = wanted(policy, turn.task, call, turn.tree)
    if want is None:
        return StartTools((call,))
    request = turn.consents.asked.get(want.request)
    is_late = request is not None and now >= request.expires_at
    match rule(turn.consents, want, is_late=is_late):
        case "allowed":
            return StartTools((call,))
        case "ask" if turn.unread_steers:
            return _not_run(call, _WROTE_FIRST)
        case "ask":
            return AskApproval(call, want)
        case "denied":
            reason = one_line(turn.consents.said[want.request].reason)
            return _not_run(call, f"{_DENIED} Their reason: {reason}" if reason else _DENIED)
        case "expired":
            return _not_run(call, _UNANSWERED)
        case "wait" if turn.unread_steers:
            return _not_run(call, _WROTE_INSTEAD)
        case "wait":
            return Wait("approval", request.expires_at if request else None)


def _not_run(call: Call, why: str) -> Record:
    return Record((ToolCompleted(call=call.id, output=why, is_error=True),))


def ask(turn: Turn, calls: Sequence[Call]) -> Record | Wait | None:
    """Put a question, wait for its answer, or pass the answer on; None when nothing is asked."""
    for call in calls:
        if asking := question_in(call):
            request = request_id(turn.task, call.id)
            if turn.answer is not None and turn.answer.request == request:
                return Record((ToolCompleted(call=call.id, output=turn.answer.text),))
            if turn.unread_steers:
                return Record((ToolCompleted(call=call.id, output=_WROTE_INSTEAD),))
            if turn.question is not None and turn.question.request == request:
                return Wait("question")
            title = one_line(f"Ask: {asking.question}")
            asked = QuestionAsked(
                request=request, call=call.id, text=asking.question, options=asking.options
            )
            started = ToolStarted(call=call.id, tool=call.name, title=title, tree=turn.tree)
            return Record((asked,) if call.id in turn.started else (started, asked))
    return None


def answer_late(turn: Turn) -> Record | None:
    """Pass on what the person said to a question that its task did not live to hear.

    None when a person dropped the question themselves, or there is none.
    """
    if turn.dropped in ("", "interrupted"):
        return None
    for call in turn.pending:
        if question_in(call) is None or call.id not in turn.started:
            continue
        request = request_id(turn.task, call.id)
        if turn.answer is not None and turn.answer.request == request:
            return Record((ToolCompleted(call=call.id, output=turn.answer.text),))
        if turn.unread_steers or turn.unread_queued:
            return Record((ToolCompleted(call=call.id, output=_ENDED_FIRST),))
    return None
