"""A move of the engine as a message of the API: blocks, stop reason, usage."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.simulators.anthropic.api.models import Model
from infra.simulators.anthropic.api.request import Request
from infra.simulators.anthropic.billing.prompt_cache import InputTokens
from infra.simulators.anthropic.billing.tokens import count_json, count_text
from infra.simulators.anthropic.scripts.engine import Move

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One answer, whole: what a caller gets at once, and a stream delivers in deltas."""

    id: str
    model: str
    content: list[JsonObject]
    stop_reason: str
    prompt: InputTokens
    output_tokens: int
    thinking_tokens: int = 0
    stop_sequence: str | None = None
    extra: JsonObject = field(default_factory=dict)

    def usage(self) -> JsonObject:
        """Encode the tokens as the API does: the prompt is the sum of its three input counts."""
        return {
            **input_usage(self.prompt),
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"thinking_tokens": self.thinking_tokens},
        }

    def message(self) -> JsonObject:
        """Encode the whole message, as a request without `stream` gets it."""
        return {
            **envelope(self),
            "content": self.content,
            "stop_reason": self.stop_reason,
            "stop_sequence": self.stop_sequence,
            "usage": self.usage(),
            **self.extra,
        }


def input_usage(prompt: InputTokens) -> JsonObject:
    """Return what a prompt is billed as."""
    return {
        "input_tokens": prompt.fresh,
        "cache_creation_input_tokens": prompt.written,
        "cache_read_input_tokens": prompt.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": prompt.written_5m,
            "ephemeral_1h_input_tokens": prompt.written_1h,
        },
        "service_tier": "standard",
        "inference_geo": None,
        "server_tool_use": None,
    }


def envelope(reply: Reply) -> JsonObject:
    """Return what is known of a message before its content."""
    return {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "stop_details": None,
        "container": None,
    }


def thinks(request: Request, model: Model, *, is_between_tools: bool) -> tuple[bool, bool]:
    """Return whether the reply has a thinking block, and whether its text is shown."""
    asked = request.thinking
    if asked is None:
        return model.thinks_unasked, model.shows_thinking_unasked
    shown = asked.display == "summarized" if asked.display else model.shows_thinking_unasked
    if asked.type == "between_tools":
        return is_between_tools, True
    return asked.type != "disabled", shown


def content_of(move: Move, *, signature: str, shown: bool, ids: Sequence[str]) -> list[JsonObject]:
    """Lay a move out as blocks; `signature` is "" where the reply has no thinking block."""
    blocks: list[JsonObject] = []
    if signature:
        thought = move.think if shown else ""
        blocks.append({"type": "thinking", "thinking": thought, "signature": signature})
    if move.say:
        blocks.append({"type": "text", "text": move.say, "citations": None})
    blocks += (
        {
            "type": "tool_use",
            "id": name,
            "name": call.tool,
            "input": dict(call.input),
            "caller": {"type": "direct"},
        }
        for name, call in zip(ids, move.calls, strict=True)
    )
    return blocks


def output_tokens(block: JsonObject) -> int:
    """Count what a block costs; a signature costs nothing."""
    if block["type"] == "tool_use":
        return count_text(block["name"]) + count_json(block["input"]) + 1
    return count_text(block.get("text") or block.get("thinking") or "")


def cut(
    content: Sequence[JsonObject], request: Request, *, window_left: int
) -> tuple[list[JsonObject], str, str | None]:
    """Cut the content at the first stop sequence, max_tokens, or the end of the model's window.

    Returns it with the reason. A tool call is never cut in half: one that does not fit is left out.
    """
    kept: list[JsonObject] = []
    left = min(request.max_tokens, window_left)
    reason = "max_tokens" if left == request.max_tokens else "model_context_window_exceeded"
    for block in content:
        shown, sequence = _until_sequence(block, request.stop_sequences or [])
        size = output_tokens(shown)
        if size > left:
            if shown["type"] == "text" and left > 0:
                kept.append({**shown, "text": _head(shown["text"], left)})
            return kept, reason, None
        if shown["type"] != "text" or shown["text"]:
            kept.append(shown)
        if sequence is not None:
            return kept, "stop_sequence", sequence
        left -= size
    is_asking = any(block["type"] == "tool_use" for block in kept)
    return kept, "tool_use" if is_asking else "end_turn", None


def _until_sequence(block: JsonObject, sequences: Sequence[str]) -> tuple[JsonObject, str | None]:
    if block["type"] != "text":
        return block, None
    places = [(block["text"].find(s), s) for s in sequences if s in block["text"]]
    if not places:
        return block, None
    place, sequence = min(places)
    return {**block, "text": block["text"][:place]}, sequence


def _head(text: str, tokens: int) -> str:
    """Return the longest beginning of the text that costs at most `tokens`."""
    return text.encode()[: tokens * 4].decode(errors="ignore")
