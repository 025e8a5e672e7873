"""What a model call costs. A dated table; money in whole millionths of a US dollar. Pure.

Two read it: the gateway's broker before and after each call, the worker for what it records; so
both come to the same sum. A dollar a million tokens is 1,000 nano-dollars a token, and every price
is a whole number of these. Source: the provider's model pages as of PRICED_ON (apis.md §2.2).
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from events import Usage

PRICED_ON: Final = date(2026, 11, 1)
_NANO_A_MICRO: Final = 1_000


class Price(msgspec.Struct, frozen=True):
    """Nano-dollars a token: fresh input, output, written to the cache for 5 minutes, read, 1 hour.

    `hourly` is what a token costs that is written to the cache for an hour.
    """

    fresh: int
    output: int
    written: int
    read: int
    hourly: int


class _Tariff(msgspec.Struct, frozen=True):
    """A price, and the one of prompts longer than `long_tokens` (0: no such prompt)."""

    price: Price
    long_tokens: int = 0
    long_price: Price | None = None


_TARIFFS: Final[Mapping[str, _Tariff]] = {
    "claude-opus-5-5": _Tariff(Price(4_000, 20_000, 5_000, 200, 8_000)),
    "claude-sonnet-5-5": _Tariff(Price(2_000, 10_000, 2_500, 100, 4_000)),
    "claude-haiku-5-5": _Tariff(
        Price(100, 500, 125, 10, 200), 100_000, Price(500, 2_500, 625, 50, 1_000)
    ),
    "claude-fable-5-1": _Tariff(Price(10_000, 50_000, 12_500, 1_000, 20_000)),
    "claude-opus-5": _Tariff(Price(5_000, 25_000, 6_250, 500, 10_000)),
    "claude-sonnet-5": _Tariff(Price(2_000, 10_000, 2_500, 200, 4_000)),
    "claude-haiku-4-5": _Tariff(Price(1_000, 5_000, 1_250, 100, 2_000)),
    "claude-sonnet-4-5": _Tariff(Price(3_000, 15_000, 3_750, 300, 6_000)),
}
_UNKNOWN: Final = _Tariff(Price(5_000, 25_000, 6_250, 500, 10_000))


def cost_microusd(model: str, usage: Usage, *, hourly_tokens: int = 0) -> int:
    """Return what a call cost, rounded up.

    `hourly_tokens` of those written to the cache are kept for an hour. A model id may end in a
    date. One that is not in the table is charged as claude-opus-5, so that a budget holds.
    """
    tariff = _tariff(model)
    prompt = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    is_long = tariff.long_price is not None and prompt > tariff.long_tokens
    price = tariff.long_price if is_long and tariff.long_price else tariff.price
    return _micro(
        usage.input_tokens * price.fresh
        + usage.output_tokens * price.output
        + (usage.cache_creation_input_tokens - hourly_tokens) * price.written
        + hourly_tokens * price.hourly
        + usage.cache_read_input_tokens * price.read
    )


def most_microusd(model: str, *, prompt_tokens: int, output_tokens: int, is_hourly: bool) -> int:
    """Return the most a call can cost with a prompt and an answer of at most so many tokens.

    `is_hourly` tells whether it may write to the cache for an hour.
    """
    tariff = _tariff(model)
    is_long = tariff.long_price is not None and prompt_tokens > tariff.long_tokens
    price = tariff.long_price if is_long and tariff.long_price else tariff.price
    dearest = price.hourly if is_hourly else max(price.fresh, price.written)
    return _micro(prompt_tokens * dearest + output_tokens * price.output)


def _tariff(model: str) -> _Tariff:
    names = sorted(_TARIFFS, key=len, reverse=True)
    name = next((n for n in names if model == n or model.startswith(f"{n}-20")), None)
    return _TARIFFS[name] if name else _UNKNOWN


def _micro(nano: int) -> int:
    return -(-nano // _NANO_A_MICRO)
