"""Calls of the model: for the next turn, and for a summary of the conversation so far."""

from collections.abc import Sequence
from datetime import datetime
from zlib import crc32

import msgspec
from msgspec.structs import replace

from events import BudgetExhausted, ModelFailed, ModelReplied, Recorded, WorkerEvent
from events.protocol.ephemeral import EphemeralKind
from events.protocol.model_prices import billed_model, cost_microusd
from events.protocol.quarantine import Broken, attempt
from infra.runtime.clock import Clock
from services.worker.agent.context.prompt_digest import digest_of
from services.worker.agent.failures import unreadable_history
from services.worker.agent.failures.model_errors import record_failure
from services.worker.agent.messages import Message, build_messages, build_summary_request
from services.worker.agent.state import AgentState
from services.worker.agent.steps import AskModel, CompactContext
from services.worker.agent.system_prompt import own_words, system_blocks
from services.worker.agent.tool_calls import calls_of, with_own_ids
from services.worker.effects.model.compaction import compaction_of
from services.worker.effects.worker_context import WorkerContext
from services.worker.ports import (
    BudgetRefused,
    ModelFailure,
    ModelReply,
    ModelRequest,
    OnDelta,
)
from services.worker.tools.toolbox import specs

Facts = Sequence[WorkerEvent]


async def ask_model(
    context: WorkerContext, step: AskModel, state: AgentState, history: Sequence[Recorded]
) -> Facts:
    """Ask the model for the next turn and return what came of it."""
    began = context.clock()
    conversation = attempt(build_messages, history)
    if isinstance(conversation, Broken):
        return [unreadable_history.history_failure(conversation.reason)]
    asked = await _request(context, step, state, conversation)
    answer = await _answer(context, asked, state, context.live.reply(step.turn))
    if not isinstance(answer, ModelReply):
        return [answer]
    await context.live.end()
    return [
        ModelReplied(
            turn=step.turn,
            stop_reason=answer.stop_reason,
            usage=answer.usage,
            cost_microusd=cost_microusd(billed_model(step.model, answer.model), answer.usage),
            blocks=with_own_ids(answer.blocks, _call_ids(history), step.turn),
            model=answer.model,
            request=answer.request,
            prompt=digest_of(own_words(), asked.tools, conversation),
            seconds=_seconds_since(context.clock, began),
        )
    ]


async def compact_context(
    context: WorkerContext, step: CompactContext, state: AgentState, history: Sequence[Recorded]
) -> Facts:
    """Put a summary in place of the conversation; a model that cannot read it is not asked."""
    began = context.clock()
    conversation = attempt(build_summary_request, history)
    if isinstance(conversation, Broken):
        return [unreadable_history.history_failure(conversation.reason)]
    asked = await _request(context, step, state, conversation if step.writer == "model" else [])
    answer: ModelReply | None = None
    if step.writer == "model":
        answered = await _answer(context, asked, state, _unshown)
        if not isinstance(answered, ModelReply):
            return [answered]
        answer = answered
    fixed_bytes = len(msgspec.json.encode([asked.system, asked.tools]))
    made = compaction_of(step, state, history, answer=answer, fixed_bytes=fixed_bytes)
    return [replace(made, seconds=_seconds_since(context.clock, began))]


def _unshown(_kind: EphemeralKind, _index: int, _text: str) -> None:
    """Show nothing of a summary while it is written: it is not said to the person."""


async def _request(
    context: WorkerContext,
    step: AskModel | CompactContext,
    state: AgentState,
    conversation: Sequence[Message],
) -> ModelRequest:
    commit = state.workspace.prepared.commit if state.workspace.prepared else ""
    return ModelRequest(
        model=step.model,
        effort=step.effort,
        system=system_blocks(
            await context.instruction_files.read(commit),
            state.environment.prepared,
            programs=context.programs.programs if context.programs else (),
        ),
        messages=await context.images.fill(conversation),
        tools=specs(),
        user=state.position.task,
    )


async def _answer(
    context: WorkerContext, asked: ModelRequest, state: AgentState, on_delta: OnDelta
) -> ModelReply | ModelFailed | BudgetExhausted:
    """Ask the model; a call that failed, or may not be made, is the fact that says so."""
    try:
        return await context.model.ask(asked, on_delta)
    except ModelFailure as failure:
        before = state.model.failures
        return record_failure(
            failure.model_error,
            turn=state.model.turn + 1,
            failures=before.count,
            since=before.since,
            now=context.clock(),
            jitter=_retry_jitter(state.position.task, before.count),
        )
    except BudgetRefused as refused:
        return refused.exhausted


def _call_ids(history: Sequence[Recorded]) -> set[str]:
    replies = (recorded.event for recorded in history)
    return {c.id for e in replies if isinstance(e, ModelReplied) for c in calls_of(e.blocks)}


def _retry_jitter(task: str, failures: int) -> float:
    """Return a number from 0 to 1 that differs between tasks, so that they do not retry at once."""
    return crc32(f"{task}:{failures}".encode()) / 0xFFFFFFFF


def _seconds_since(clock: Clock, began: datetime) -> float:
    return round((clock() - began).total_seconds(), 3)
