"""What a task may spend and has spent: money, turns, working time. Pure."""

from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from events import Budget, BudgetExhausted, BudgetRaised

_SHARED: Final = ("person", "account")


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """A budget and its use. Limits of zero do not limit.

    Time that the task spent waiting for a person is not counted.
    """

    budget: Budget = Budget()
    granted: Budget = Budget()
    spent_microusd: int = 0
    turns: int = 0
    started_at: datetime | None = None
    waited_seconds: float = 0.0
    exhausted: BudgetExhausted | None = None


def allow(budget: Budget) -> Allowance:
    """Begin with a task's own budget."""
    return Allowance(budget=budget, granted=budget)


def pay(allowance: Allowance, cost_microusd: int) -> Allowance:
    """Count one turn and what it cost."""
    return replace(
        allowance,
        spent_microusd=allowance.spent_microusd + cost_microusd,
        turns=allowance.turns + 1,
    )


def wait(allowance: Allowance, seconds: float) -> Allowance:
    """Leave this much time out of account."""
    return replace(allowance, waited_seconds=allowance.waited_seconds + seconds)


def raise_limit(allowance: Allowance, event: BudgetRaised) -> Allowance:
    """Allow more money; and when turns or time ran out, as much of these as was granted first."""
    limits, granted = allowance.budget, allowance.granted
    scope = allowance.exhausted.scope if allowance.exhausted else "cost"
    return replace(
        allowance,
        exhausted=None,
        budget=Budget(
            cost_microusd=limits.cost_microusd + event.cost_microusd if limits.cost_microusd else 0,
            turns=limits.turns + (granted.turns if scope == "turns" else 0),
            wall_seconds=limits.wall_seconds + (granted.wall_seconds if scope == "wall" else 0),
        ),
    )


def try_again(allowance: Allowance) -> Allowance:
    """Forget that a limit was met which is not the task's own: it may have been raised since."""
    is_shared = allowance.exhausted is not None and allowance.exhausted.scope in _SHARED
    return replace(allowance, exhausted=None) if is_shared else allowance


def exceeded(allowance: Allowance, now: datetime) -> BudgetExhausted | None:
    """Tell which limit is met, if one is: the fact to record before the task waits."""
    limits = allowance.budget
    worked_seconds = 0
    if allowance.started_at is not None:
        elapsed = (now - allowance.started_at).total_seconds()
        worked_seconds = max(0, int(elapsed - allowance.waited_seconds))
    if 0 < limits.cost_microusd <= allowance.spent_microusd:
        return BudgetExhausted(
            scope="cost", spent=allowance.spent_microusd, limit=limits.cost_microusd
        )
    if 0 < limits.turns <= allowance.turns:
        return BudgetExhausted(scope="turns", spent=allowance.turns, limit=limits.turns)
    if 0 < limits.wall_seconds <= worked_seconds:
        return BudgetExhausted(scope="wall", spent=worked_seconds, limit=limits.wall_seconds)
    return None
