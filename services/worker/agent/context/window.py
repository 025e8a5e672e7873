"""Use of the model's context window, and when the conversation has to be compacted. Pure.

The provider's counts are exact, and come with each reply; what is added after it is estimated.
Where a model's window is smaller than is known here, the provider's first refusal shows it.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from events import ContextCompacted, Usage

BYTES_PER_TOKEN: Final = 3
"""A low estimate, of code and English: better to compact too early than too late."""

IMAGE_TOKENS: Final = 5_000
WINDOW_EXCEEDED: Final = "model_context_window_exceeded"
"""Stop reason of a reply that reached the end of the window."""

_WINDOW_TOKENS: Final = 1_000_000
_SMALL_WINDOW_TOKENS: Final = 200_000
_SMALL: Final = ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5")
_MAX_TOKENS: Final = 400_000
"""A longer prompt costs more at each turn than its summary does once."""

_FULL_PART: Final = 0.8
_GROWN_PART: Final = 0.5


class ContextUse(msgspec.Struct, frozen=True):
    """Use of the window by the conversation.

    `tokens` is the provider's count of the newest reply and its prompt; `added_bytes` came since.
    `shown_tokens`: what the window holds for sure, since the provider refused more (0: it did not).
    `overflows` are refusals in a row, with no reply between them that was within the window;
    `is_overflowing`: the conversation has not been compacted since the last of them. The newest
    compaction left `kept_tokens`; `is_fresh`: that is an estimate, as no reply has come since.
    """

    tokens: int = 0
    added_bytes: int = 0
    shown_tokens: int = 0
    overflows: int = 0
    is_overflowing: bool = False
    kept_tokens: int = 0
    is_fresh: bool = False

    @property
    def estimated_tokens(self) -> int:
        """The tokens of the next prompt, as far as it is known."""
        return self.tokens + self.added_bytes // BYTES_PER_TOKEN


def window_tokens(use: ContextUse, model: str) -> int:
    """Return how many tokens a model's window holds."""
    is_large = model.startswith("claude-") and not model.startswith(_SMALL)
    known = _WINDOW_TOKENS if is_large else _SMALL_WINDOW_TOKENS
    return min(known, use.shown_tokens or known)


def is_nearly_full(use: ContextUse, model: str) -> bool:
    """Return whether the conversation has to be compacted before the next turn.

    Where a compaction leaves much, the conversation must have grown before the next one.
    """
    window = window_tokens(use, model)
    most = min(_MAX_TOKENS, _FULL_PART * window)
    grown = use.kept_tokens + _GROWN_PART * (window - use.kept_tokens)
    is_much = use.kept_tokens > _GROWN_PART * most
    return not use.is_fresh and use.estimated_tokens > (max(most, grown) if is_much else most)


def add_bytes(use: ContextUse, size_bytes: int, images: int = 0) -> ContextUse:
    """Count what the next prompt has more than the last."""
    return replace(
        use, added_bytes=use.added_bytes + size_bytes + images * IMAGE_TOKENS * BYTES_PER_TOKEN
    )


def count_reply(use: ContextUse, usage: Usage, reply_bytes: int, stop_reason: str) -> ContextUse:
    """Count a reply. Servers that count no tokens leave it to the estimate."""
    prompt = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    tokens = prompt + usage.output_tokens
    kept = prompt if use.is_fresh and prompt else use.kept_tokens
    use = replace(use, kept_tokens=kept, is_fresh=False)
    use = replace(use, tokens=tokens, added_bytes=0) if prompt else add_bytes(use, reply_bytes)
    if stop_reason == WINDOW_EXCEEDED:
        return count_overflow(use)
    return forget_overflow(use)


def forget_overflow(use: ContextUse) -> ContextUse:
    """Count the refusals from zero."""
    return replace(use, overflows=0, is_overflowing=False)


def count_overflow(use: ContextUse) -> ContextUse:
    """Take note that a prompt did not fit the window, or a reply reached its end."""
    shown = min(use.tokens, use.shown_tokens or use.tokens)
    return replace(use, overflows=use.overflows + 1, is_overflowing=True, shown_tokens=shown)


def count_compaction(use: ContextUse, event: ContextCompacted) -> ContextUse:
    """Begin again from a summary."""
    tokens = event.tokens_after
    return replace(
        use,
        tokens=tokens,
        added_bytes=0,
        is_overflowing=False,
        kept_tokens=tokens,
        is_fresh=True,
    )
