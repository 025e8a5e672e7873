"""Human input that the loop waits for: an answer to a question, or approval of a call.

Pure: names the step that is due. What is waited for survives the machine: it is in the history.
"""

from datetime import datetime
from typing import Final

from events import QuestionAsked, ToolCompleted, ToolStarted, request_id
from services.worker.agent.approvals.policy import (
    CallPolicy,
    approval_need,
    decide_call,
    forbidden_by,
)
from services.worker.agent.state import AgentState
from services.worker.agent.steps import AskApproval, Record, StartTools, Wait
from services.worker.agent.tool_calls import Call, one_line, question_in

_WROTE_INSTEAD: Final = "The person gave no answer here but wrote something new, which follows."
_WROTE_FIRST: Final = (
    "The call was not made: it needs the person's approval, and they wrote something new first, "
    "which follows."
)
_DENIED: Final = (
    "The person does not allow this call; it was not made. Go on without it, or ask what they want."
)
_FORBIDDEN: Final = (
    "The call was not made: the person's rules for this task forbid it. Go on without it, or ask "
    "what they want. Forbidden here is"
)
_UNANSWERED: Final = "The call was not made: nobody answered in time whether it is allowed."


_ENDED_FIRST: Final = (
    "The task had ended before the person answered this question. They wrote later, which follows: "
    "it may be the answer."
)


def permit_call(
    state: AgentState, call: Call, now: datetime
) -> StartTools | AskApproval | Record | Wait:
    """Start a call, or ask a person first where the task's policy says so."""
    policy = _policy_of(state)
    if forbidden := forbidden_by(policy.rules, call):
        return _not_run(call, f"{_FORBIDDEN} {forbidden}.")
    need = approval_need(policy, state.position.task, call, state.workspace.tree)
    if need is None:
        return StartTools((call,))
    request = state.approvals.asked.get(need.request)
    is_late = request is not None and now >= request.expires_at
    match decide_call(state.approvals, need, is_late=is_late):
        case "allowed":
            return StartTools((call,))
        case "ask" if state.unread.steers:
            return _not_run(call, _WROTE_FIRST)
        case "ask":
            return AskApproval(call, need)
        case "denied":
            reason = one_line(state.approvals.said[need.request].reason)
            return _not_run(call, f"{_DENIED} Their reason: {reason}" if reason else _DENIED)
        case "expired":
            return _not_run(call, _UNANSWERED)
        case "wait" if state.unread.steers:
            return _not_run(call, _WROTE_INSTEAD)
        case "wait":
            return Wait("approval", request.expires_at if request else None)


def _policy_of(state: AgentState) -> CallPolicy:
    submitted = state.submitted
    return CallPolicy(submitted.policy, submitted.rules) if submitted else CallPolicy()


def _not_run(call: Call, why: str) -> Record:
    return Record((ToolCompleted(call=call.id, output=why, is_error=True),))


def ask_question(state: AgentState) -> Record | Wait | None:
    """Ask a question, wait for its answer, or pass the answer on; None when there is none."""
    for call in state.calls.pending:
        if asking := question_in(call):
            request = request_id(state.position.task, call.id)
            if answer := state.question.answer_to(request):
                return Record((ToolCompleted(call=call.id, output=answer.text),))
            if state.unread.steers:
                return Record((ToolCompleted(call=call.id, output=_WROTE_INSTEAD),))
            if state.question.is_asked(request):
                return Wait("question")
            title, tree = one_line(f"Ask: {asking.question}"), state.workspace.tree
            asked = QuestionAsked(
                request=request, call=call.id, text=asking.question, options=asking.options
            )
            started = ToolStarted(call=call.id, tool=call.name, title=title, tree=tree)
            return Record((asked,) if call.id in state.calls.started else (started, asked))
    return None


def pass_on_late_answer(state: AgentState) -> Record | None:
    """Pass on an answer that came after the task had ended.

    None when a person dropped the question themselves, or there is none.
    """
    calls = state.calls
    if calls.dropped in ("", "interrupted"):
        return None
    for call in calls.pending:
        if question_in(call) is None or call.id not in calls.started:
            continue
        if answer := state.question.answer_to(request_id(state.position.task, call.id)):
            return Record((ToolCompleted(call=call.id, output=answer.text),))
        if state.unread.has_instructions:
            return Record((ToolCompleted(call=call.id, output=_ENDED_FIRST),))
    return None
