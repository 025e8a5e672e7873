"""Handlers of the gateway's events: what people said and decided. Pure."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from events import (
    ApprovalAnswered,
    BudgetRaised,
    EgressAllowed,
    InstructionEdited,
    InstructionWithdrawn,
    QuestionAnswered,
    TaskArchived,
    TaskCancelled,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
)
from events.protocol.api.egress import MAX_HOSTS, HostAndPort
from services.worker.agent.approvals import policy
from services.worker.agent.budget import forget_foreign_limit, raise_limit, start_budget
from services.worker.agent.context.window import add_bytes, forget_overflow
from services.worker.agent.failures.repetition import Repetition, answer_loop
from services.worker.agent.handlers.changes import (
    Handler,
    close_task,
    drop_calls,
    ignore,
    with_progress,
)
from services.worker.agent.state import AgentState, ModelFailures, QuestionState


def _submit_task(state: AgentState, event: TaskSubmitted) -> AgentState:
    use = add_bytes(state.context, len(event.prompt.encode()), len(event.attachments))
    return replace(state, submitted=event, budget=start_budget(event.budget), context=use)


def _instruct(state: AgentState, event: TaskInstructed) -> AgentState:
    unread, given = state.unread, (state.position.head.version,)
    if event.mode == "steer":
        unread = replace(unread, steers=unread.steers + given)
    else:
        unread = replace(unread, queued=unread.queued + given)
    return replace(
        state,
        unread=unread,
        lifecycle=replace(state.lifecycle, is_closed=False, is_interrupted=False),
        model=replace(state.model, failures=ModelFailures(), nudges=0, fruitless=0),
        budget=forget_foreign_limit(state.budget),
        approvals=policy.reopen_denied_pushes(state.approvals),
        repetition=Repetition(),
        context=add_bytes(
            forget_overflow(state.context), len(event.text.encode()), len(event.attachments)
        ),
    )


def _withdraw_instruction(state: AgentState, event: InstructionWithdrawn) -> AgentState:
    steers = tuple(each for each in state.unread.steers if each != event.instruction)
    queued = tuple(each for each in state.unread.queued if each != event.instruction)
    return replace(state, unread=replace(state.unread, steers=steers, queued=queued))


def _answer_question(state: AgentState, event: QuestionAnswered) -> AgentState:
    if state.repetition.event and event.request == state.repetition.request(state.position.task):
        return _answer_loop(state, event)
    question = replace(state.question, answer=event)
    return replace(state, question=question, model=with_progress(state.model))


def _answer_loop(state: AgentState, event: QuestionAnswered) -> AgentState:
    """Apply an answer to a question that the worker asked by itself; other words are a steer."""
    repetition = answer_loop(state.repetition, event.text)
    steers = state.unread.steers
    if not repetition.is_stopped:
        steers += (state.position.head.version,)
    return replace(
        state,
        repetition=repetition,
        question=QuestionState(),
        unread=replace(state.unread, steers=steers),
        model=with_progress(state.model),
    )


def _answer_approval(state: AgentState, event: ApprovalAnswered) -> AgentState:
    approvals = policy.add_answer(state.approvals, event)
    return replace(state, approvals=approvals, model=with_progress(state.model))


def _raise_budget(state: AgentState, event: BudgetRaised) -> AgentState:
    return replace(state, budget=raise_limit(state.budget, event))


def _allow_host(state: AgentState, event: EgressAllowed) -> AgentState:
    entry = str(HostAndPort(event.host, event.port))
    if entry in state.allowed_hosts or len(state.allowed_hosts) >= MAX_HOSTS:
        return state
    return replace(state, allowed_hosts=(*state.allowed_hosts, entry))


def _interrupt_task(state: AgentState, _event: TaskInterrupted) -> AgentState:
    if state.lifecycle.is_closed:
        return state
    lifecycle = replace(state.lifecycle, is_interrupted=True)
    return drop_calls(replace(state, lifecycle=lifecycle), "interrupted")


def _cancel_task(state: AgentState, _event: TaskCancelled) -> AgentState:
    return close_task(state, "cancelled")


HANDLERS: Final[Mapping[type, Handler]] = {
    TaskSubmitted: _submit_task,
    TaskInstructed: _instruct,
    InstructionEdited: ignore,
    InstructionWithdrawn: _withdraw_instruction,
    QuestionAnswered: _answer_question,
    ApprovalAnswered: _answer_approval,
    BudgetRaised: _raise_budget,
    EgressAllowed: _allow_host,
    TaskInterrupted: _interrupt_task,
    TaskCancelled: _cancel_task,
    TaskArchived: ignore,
}
