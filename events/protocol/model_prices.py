"""Prices of model calls: a dated table; money in whole millionths of a US dollar. Pure.

The gateway's broker reads it before and after each call, the worker for what it records; so
both come to the same sum. A dollar per million tokens is 1,000 nano-dollars per token: every price
is a whole number of these. Source: the provider's model pages as of PRICED_ON.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from events import Usage

PRICED_ON: Final = date(2026, 11, 1)
_NANO_PER_MICRO: Final = 1_000


class Price(msgspec.Struct, frozen=True):
    """Nano-dollars per token: fresh input, output, written to the cache, read from the cache.

    `written` is the price of 5 minutes in the cache, `hourly` that of an hour.
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
    "claude-fable-5": _Tariff(Price(10_000, 50_000, 12_500, 1_000, 20_000)),
    "claude-sonnet-4-5": _Tariff(
        Price(3_000, 15_000, 3_750, 300, 6_000), 200_000, Price(6_000, 22_500, 7_500, 600, 12_000)
    ),
}
_HIGHEST_TARIFF: Final = _Tariff(Price(15_000, 75_000, 18_750, 1_500, 30_000))
"""In each part at least as high as every price above, and as any the provider has listed."""

_SAME_MODEL: Final = re.compile(r"-20\d{6}|-latest")

OFFERED: Final[tuple[str, ...]] = tuple(_TARIFFS)
"""The models whose price is known."""


def cost_microusd(model: str, usage: Usage, *, hourly_tokens: int = 0) -> int:
    """Return what a call cost, rounded up.

    `hourly_tokens` of those written to the cache are kept for an hour. A model id may end in a
    date or in "-latest". One that is not in the table is charged at the highest price there is, so
    that a budget holds.
    """
    prompt = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    price = _price(model, prompt)
    return _micro(
        usage.input_tokens * price.fresh
        + usage.output_tokens * price.output
        + (usage.cache_creation_input_tokens - hourly_tokens) * price.written
        + hourly_tokens * price.hourly
        + usage.cache_read_input_tokens * price.read
    )


def most_microusd(model: str, *, prompt_tokens: int, output_tokens: int, is_hourly: bool) -> int:
    """Return the most a call can cost with a prompt and an answer of at most so many tokens.

    `is_hourly`: it may write to the cache for an hour.
    """
    price = _price(model, prompt_tokens)
    prompt = prompt_tokens * _prompt_price(price, is_hourly=is_hourly)
    return _micro(prompt + output_tokens * price.output)


def affordable_output_tokens(
    model: str, *, prompt_tokens: int, is_hourly: bool, left_microusd: int
) -> int:
    """Return how long an answer may be so that the call costs no more than what is left."""
    price = _price(model, prompt_tokens)
    prompt = prompt_tokens * _prompt_price(price, is_hourly=is_hourly)
    return max(0, (left_microusd * _NANO_PER_MICRO - prompt) // price.output)


def is_priced(model: str) -> bool:
    """Return whether the model's own price is known."""
    return _name(model) is not None


def undated(model: str) -> str:
    """Return a model's name without the date or "-latest" that follows it."""
    return _name(model) or model


def billed_model(asked: str, answered: str) -> str:
    """Return the model whose price a call has: the one that answered, where it is known."""
    return answered if is_priced(answered) else asked


def _price(model: str, prompt_tokens: int) -> Price:
    name = _name(model)
    tariff = _TARIFFS[name] if name else _HIGHEST_TARIFF
    if tariff.long_price is not None and prompt_tokens > tariff.long_tokens:
        return tariff.long_price
    return tariff.price


def _prompt_price(price: Price, *, is_hourly: bool) -> int:
    return price.hourly if is_hourly else max(price.fresh, price.written)


def _name(model: str) -> str | None:
    """Find the table's name for a model: nothing but a date or "-latest" may follow it.

    So a new model whose name begins like an old one's is never taken for it.
    """
    return next(
        (
            name
            for name in _TARIFFS
            if model == name
            or (model.startswith(name) and _SAME_MODEL.fullmatch(model[len(name) :]))
        ),
        None,
    )


def _micro(nano: int) -> int:
    return -(-nano // _NANO_PER_MICRO)
