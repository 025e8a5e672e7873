"""Cost of calls with an unknown end, found from the provider's usage report. Pure.

The provider reports sums per minute and model, not calls. So calls are grouped into periods that
have whole minutes to themselves; what the report of a period has beyond the calls that were
settled in it is what the presumed ones used. Sums are exact to the token; where one period has
several presumed calls of a model, their shares in it are equal. Where no minute passes
without a call a period has no end, and its presumed calls stay as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from events import Usage
from services.gateway.broker.accounting.token_usage import TokenUsage

REPORT_DELAY: Final = timedelta(minutes=6)  # the provider needs up to five
LOOK_BACK: Final = timedelta(hours=24)
_MINUTE: Final = timedelta(minutes=1)
_MARGIN: Final = timedelta(seconds=5)


class RecordedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call with the installation's key; `closed_at` is None while it is running.

    `cost_microusd` of a presumed call is its maximum cost.
    """

    call: str
    model: str
    is_presumed: bool
    count: TokenUsage
    cost_microusd: int
    opened_at: datetime
    closed_at: datetime | None


class CallPeriod(msgspec.Struct, frozen=True):
    """Calls that have the minutes from `since` to before `until` to themselves."""

    since: datetime
    until: datetime
    calls: tuple[RecordedCall, ...]


def call_periods(calls: Sequence[RecordedCall], now: datetime) -> list[CallPeriod]:
    """Group calls; return the periods that have presumed calls and are reported by now."""
    found: list[CallPeriod] = []
    for call in sorted(calls, key=lambda each: each.opened_at):
        since = _minute(call.opened_at)
        until = _minute((call.closed_at or now) + _MARGIN) + _MINUTE
        if found and since < found[-1].until:
            last = found.pop()
            since, until = last.since, max(last.until, until)
            found.append(CallPeriod(since, until, (*last.calls, call)))
        else:
            found.append(CallPeriod(since, until, (call,)))
    return [
        each
        for each in found
        if any(call.is_presumed for call in each.calls)
        and all(call.closed_at for call in each.calls)
        and now - LOOK_BACK < each.since
        and each.until + REPORT_DELAY <= now
    ]


def attribute_usage(
    stretch: CallPeriod, reported: Mapping[str, TokenUsage]
) -> dict[str, TokenUsage]:
    """Return the usage of each presumed call of a period, by its id.

    `reported` are the provider's sums by model. A model whose report says less than is known of
    its calls, or more than they can have cost, is omitted: others use the key too, or something
    else is wrong, and nothing is guessed.
    """
    found: dict[str, TokenUsage] = {}
    for model in {call.model for call in stretch.calls if call.is_presumed}:
        mine = [call for call in stretch.calls if call.model == model]
        billed = _sum(c for name, c in reported.items() if _is_same(model, name))
        rest = [b - k for b, k in zip(billed, _sum(c.count for c in mine), strict=True)]
        presumed = [call for call in mine if call.is_presumed]
        split = _split(rest, presumed)
        if min(rest) >= 0 and all(split[c.call].cost(model) <= c.cost_microusd for c in presumed):
            found |= split
    return found


def _split(rest: Sequence[int], calls: Sequence[RecordedCall]) -> dict[str, TokenUsage]:
    """Return each call's equal part of the rest, added to its known usage."""
    found = {}
    for number, call in enumerate(calls):
        more = [part // len(calls) + (number < part % len(calls)) for part in rest]
        known = call.count.columns()
        found[call.call] = _count([k + m for k, m in zip(known, more, strict=True)])
    return found


def _is_same(model: str, reported: str) -> bool:
    """Return whether two model names match; the provider's may end in a date."""
    return reported == model or reported.startswith(f"{model}-20")


def _sum(counts: Iterable[TokenUsage]) -> list[int]:
    columns = [count.columns() for count in counts]
    return [sum(parts) for parts in zip(*columns, strict=True)] or TokenUsage().columns()


def _count(columns: Sequence[int]) -> TokenUsage:
    fresh, output, written, read, hourly = columns
    return TokenUsage(Usage(fresh, output, written, read), hourly)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
