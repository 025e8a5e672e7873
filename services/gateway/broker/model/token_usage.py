"""What a model call used, and what it may use at most. Pure."""

from typing import NamedTuple

import msgspec

from events import Usage
from events.protocol.model_prices import cost_microusd


class CostEstimate(NamedTuple):
    """What a call may take at most."""

    model: str
    most_microusd: int
    most_output_tokens: int


class TokenUsage(msgspec.Struct, frozen=True):
    """Tokens as the provider counts them, of which `hourly_tokens` are cached for an hour."""

    usage: Usage = Usage()
    hourly_tokens: int = 0

    def cost(self, model: str) -> int:
        """Price them, in micro-dollars."""
        return cost_microusd(model, self.usage, hourly_tokens=self.hourly_tokens)

    def columns(self) -> list[int]:
        """Lay them out as the ledger's functions take them."""
        use = self.usage
        written, read = use.cache_creation_input_tokens, use.cache_read_input_tokens
        return [use.input_tokens, use.output_tokens, written, read, self.hourly_tokens]
