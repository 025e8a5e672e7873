"""Compaction of a conversation: asks the model for a summary, or makes an account without it."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from events import Block, ContextCompacted, Recorded
from events.protocol.model_prices import billed_model, cost_microusd
from services.worker.agent.context.account import MAX_ACCOUNT_BYTES, account_of_work
from services.worker.agent.context.window import BYTES_PER_TOKEN, IMAGE_TOKENS, window_tokens
from services.worker.agent.messages import Message, build_messages
from services.worker.agent.state import AgentState
from services.worker.agent.steps import CompactContext
from services.worker.agent.text.excerpt import excerpt
from services.worker.agent.tool_calls import text_of
from services.worker.ports import ModelReply

MAX_SUMMARY_BYTES: Final = 48 * 1024
_PART_OF_WINDOW: Final = 8
"""An account takes at most this part of the window."""


def compaction_of(
    step: CompactContext,
    state: AgentState,
    history: Sequence[Recorded],
    *,
    answer: ModelReply | None,
    fixed_bytes: int,
) -> ContextCompacted:
    """Return the compaction that the model's answer makes; without one, or words in it, ours.

    `fixed_bytes`: what every prompt has besides its messages.
    """
    summary = text_of(answer.blocks) if answer is not None else ""
    limit = window_tokens(state.context, step.model) * BYTES_PER_TOKEN // _PART_OF_WINDOW
    text = summary or account_of_work(history, min(MAX_ACCOUNT_BYTES, limit))
    made = ContextCompacted(
        turn=step.turn,
        through=state.position.head.version,
        summary=excerpt(text, MAX_SUMMARY_BYTES)[0],
        tokens_before=state.context.estimated_tokens,
        tokens_after=0,
        writer="model" if summary else "worker",
    )
    after = _tokens(_messages_after(history, made)) + fixed_bytes // BYTES_PER_TOKEN
    made = replace(made, tokens_after=after)
    if answer is None:
        return made
    return replace(
        made,
        usage=answer.usage,
        cost_microusd=cost_microusd(billed_model(step.model, answer.model), answer.usage),
        model=answer.model,
        request=answer.request,
    )


def _messages_after(history: Sequence[Recorded], made: ContextCompacted) -> Sequence[Message]:
    last = history[-1]
    return build_messages([*history, replace(last, version=last.version + 1, event=made)])


def _tokens(messages: Sequence[Message]) -> int:
    """Estimate the tokens of messages whose images are references."""
    blocks: list[Block] = [block for message in messages for block in message["content"]]
    images = sum(1 for block in blocks if block["type"] == "image")
    return images * IMAGE_TOKENS + len(msgspec.json.encode(blocks)) // BYTES_PER_TOKEN
