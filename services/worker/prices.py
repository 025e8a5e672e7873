"""What a model call costs. A dated table; money in whole millionths of a US dollar. Pure.

A dollar a million tokens is a micro-dollar a token. Source: the provider's model pages as of
PRICED_ON (reference/apis.md §2.2).
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from events import Usage

PRICED_ON: Final = date(2026, 11, 1)


class Price(msgspec.Struct, frozen=True):
    """Dollars a million tokens: fresh input, output, written to the cache (5 minutes), read."""

    fresh: float
    output: float
    written: float
    read: float


class _Tariff(msgspec.Struct, frozen=True):
    """A price, and the one of prompts longer than `long_tokens` (0: no such prompt)."""

    price: Price
    long_tokens: int = 0
    long_price: Price | None = None


_TARIFFS: Final[Mapping[str, _Tariff]] = {
    "claude-opus-5-5": _Tariff(Price(4, 20, 5, 0.20)),
    "claude-sonnet-5-5": _Tariff(Price(2, 10, 2.5, 0.10)),
    "claude-haiku-5-5": _Tariff(
        Price(0.10, 0.50, 0.125, 0.01), 100_000, Price(0.50, 2.50, 0.625, 0.05)
    ),
    "claude-fable-5-1": _Tariff(Price(10, 50, 12.5, 1)),
    "claude-opus-5": _Tariff(Price(5, 25, 6.25, 0.50)),
    "claude-sonnet-5": _Tariff(Price(2, 10, 2.5, 0.20)),
    "claude-haiku-4-5": _Tariff(Price(1, 5, 1.25, 0.10)),
    "claude-sonnet-4-5": _Tariff(Price(3, 15, 3.75, 0.30)),
}
_UNKNOWN: Final = _Tariff(Price(5, 25, 6.25, 0.50))


def cost_microusd(model: str, usage: Usage) -> int:
    """Return what a call cost, rounded up.

    A model id may end in a date. One that is not in the table is charged as claude-opus-5, so that
    a budget holds.
    """
    price = _price(model, usage)
    cost = (
        usage.input_tokens * price.fresh
        + usage.output_tokens * price.output
        + usage.cache_creation_input_tokens * price.written
        + usage.cache_read_input_tokens * price.read
    )
    return -int(-cost // 1)


def _price(model: str, usage: Usage) -> Price:
    names = sorted(_TARIFFS, key=len, reverse=True)
    name = next((n for n in names if model == n or model.startswith(f"{n}-20")), None)
    tariff = _TARIFFS[name] if name else _UNKNOWN
    prompt = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    if tariff.long_price is not None and prompt > tariff.long_tokens:
        return tariff.long_price
    return tariff.price
