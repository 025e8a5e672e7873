"""Budget of a task and its use: money, turns, working time. Pure."""

from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from events import Budget, BudgetExhausted, BudgetRaised

_SHARED: Final = ("person", "account")


class BudgetUse(msgspec.Struct, frozen=True, kw_only=True):
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


def start_budget(budget: Budget) -> BudgetUse:
    """Begin with a task's own budget."""
    return BudgetUse(budget=budget, granted=budget)


def add_cost(use: BudgetUse, cost_microusd: int) -> BudgetUse:
    """Count one turn and what it cost."""
    return replace(
        use,
        spent_microusd=use.spent_microusd + cost_microusd,
        turns=use.turns + 1,
    )


def add_summary_cost(use: BudgetUse, cost_microusd: int) -> BudgetUse:
    """Count what a summary cost: it is no turn."""
    return replace(use, spent_microusd=use.spent_microusd + cost_microusd)


def add_waiting_time(use: BudgetUse, seconds: float) -> BudgetUse:
    """Leave this much time out of account."""
    return replace(use, waited_seconds=use.waited_seconds + seconds)


def raise_limit(use: BudgetUse, event: BudgetRaised) -> BudgetUse:
    """Allow more money; and when turns or time ran out, as much of these as was granted first."""
    limits, granted = use.budget, use.granted
    scope = use.exhausted.scope if use.exhausted else "cost"
    return replace(
        use,
        exhausted=None,
        budget=Budget(
            cost_microusd=limits.cost_microusd + event.cost_microusd if limits.cost_microusd else 0,
            turns=limits.turns + (granted.turns if scope == "turns" else 0),
            wall_seconds=limits.wall_seconds + (granted.wall_seconds if scope == "wall" else 0),
        ),
    )


def forget_foreign_limit(use: BudgetUse) -> BudgetUse:
    """Forget that a limit was met which is not the task's own: it may have been raised since."""
    is_shared = use.exhausted is not None and use.exhausted.scope in _SHARED
    return replace(use, exhausted=None) if is_shared else use


def exceeded_limit(use: BudgetUse, now: datetime) -> BudgetExhausted | None:
    """Return the limit that is met, if one is: the fact to record before the task waits."""
    limits = use.budget
    worked_seconds = 0
    if use.started_at is not None:
        elapsed = (now - use.started_at).total_seconds()
        worked_seconds = max(0, int(elapsed - use.waited_seconds))
    if 0 < limits.cost_microusd <= use.spent_microusd:
        return BudgetExhausted(scope="cost", spent=use.spent_microusd, limit=limits.cost_microusd)
    if 0 < limits.turns <= use.turns:
        return BudgetExhausted(scope="turns", spent=use.turns, limit=limits.turns)
    if 0 < limits.wall_seconds <= worked_seconds:
        return BudgetExhausted(scope="wall", spent=worked_seconds, limit=limits.wall_seconds)
    return None
