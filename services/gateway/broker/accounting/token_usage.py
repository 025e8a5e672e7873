"""Token usage and maximum cost of a model call. Pure."""

from typing import NamedTuple

import msgspec

from events import Usage
from events.protocol.model_prices import cost_microusd


class CostEstimate(NamedTuple):
    """Maximum usage of a call."""

    model: str
    max_microusd: int
    most_output_tokens: int


class TokenUsage(msgspec.Struct, frozen=True):
    """Tokens as the provider counts them, of which `hourly_tokens` are cached for an hour."""

    usage: Usage = Usage()
    hourly_tokens: int = 0

    def cost(self, model: str) -> int:
        """Return their price, in micro-dollars."""
        return cost_microusd(model, self.usage, hourly_tokens=self.hourly_tokens)

    def columns(self) -> list[int]:
        """Return them as arguments of the ledger's SQL functions."""
        use = self.usage
        written, read = use.cache_creation_input_tokens, use.cache_read_input_tokens
        return [use.input_tokens, use.output_tokens, written, read, self.hourly_tokens]
