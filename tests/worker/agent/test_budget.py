from datetime import timedelta

import pytest
from msgspec.structs import replace

from events import Budget, BudgetExhausted, BudgetRaised, Usage
from events.protocol.model_prices import cost_microusd
from services.worker.agent.budget import (
    add_cost,
    add_waiting_time,
    exceeded_limit,
    raise_limit,
    start_budget,
)
from services.worker.agent.failures.model_errors import (
    MAX_FAILURES,
    MAX_RETRY_AFTER_SECONDS,
    MAX_SECONDS_OF_FAILURES,
    ModelError,
    record_failure,
)
from tests.kit.build.worker_history import BEGAN, NOW, failure


@pytest.mark.parametrize(
    ("model", "usage", "cost"),
    [
        ("claude-sonnet-5-5", Usage(1_000_000, 0), 2_000_000),
        ("claude-sonnet-5-5", Usage(0, 1_000_000), 10_000_000),
        ("claude-sonnet-5-5", Usage(0, 0, 1_000_000, 0), 2_500_000),
        ("claude-sonnet-5-5", Usage(0, 0, 0, 1_000_000), 100_000),
        ("claude-haiku-4-5-20251001", Usage(100, 10), 150),
        ("claude-haiku-5-5", Usage(100_000, 0), 10_000),
        ("claude-haiku-5-5", Usage(100_001, 0), 50_001),
        ("somebody-elses", Usage(1_000_000, 0), 15_000_000),
        ("claude-haiku-5-5", Usage(1, 0), 1),
        ("claude-sonnet-5-5", Usage(), 0),
    ],
)
def test_a_call_costs_what_the_table_says_rounded_up(model, usage, cost):
    assert cost_microusd(model, usage) == cost


def test_a_budget_of_nothing_limits_nothing():
    assert exceeded_limit(add_cost(start_budget(Budget()), 10**9), NOW) is None


def test_money_and_turns_are_counted():
    budget = add_cost(add_cost(start_budget(Budget(cost_microusd=100, turns=9)), 60), 60)

    assert exceeded_limit(budget, NOW) == BudgetExhausted(scope="cost", spent=120, limit=100)


def test_raising_the_budget_adds_to_it():
    budget = raise_limit(
        add_cost(start_budget(Budget(cost_microusd=100)), 150), BudgetRaised(cost_microusd=100)
    )

    assert budget.budget.cost_microusd == 200
    assert exceeded_limit(budget, NOW) is None


def test_waiting_is_not_working():
    budget = replace(start_budget(Budget(wall_seconds=60)), started_at=BEGAN)

    assert exceeded_limit(budget, BEGAN + timedelta(seconds=61)) is not None
    assert exceeded_limit(add_waiting_time(budget, 5), BEGAN + timedelta(seconds=61)) is None


def test_pauses_grow_with_every_failure():
    pauses = [
        (failure(ModelError("overloaded", ""), failures=n).retry_at - NOW).total_seconds()
        for n in range(8)
    ]

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_server_says_when():
    assert failure(ModelError("rate_limited", "", 3600.0)).retry_at == NOW + timedelta(hours=1)


def test_patience_ends():
    since = NOW - timedelta(seconds=MAX_SECONDS_OF_FAILURES + 1)

    assert failure(ModelError("overloaded", ""), since=since).retry_at is None
    assert failure(ModelError("rate_limited", "", 5.0), since=since).retry_at is not None
    assert failure(ModelError("rate_limited", "", MAX_RETRY_AFTER_SECONDS + 1)).retry_at is None


@pytest.mark.parametrize("kind", ["key_refused", "out_of_credit", "request_refused"])
def test_what_will_not_pass_by_itself_is_not_tried_again(kind):
    assert failure(ModelError(kind, "", 1.0)).retry_at is None


@pytest.mark.parametrize("named", [0.0, 0.001])
def test_a_server_that_says_at_once_is_not_asked_at_once_and_not_for_ever(named):
    pauses, failures, since = [], 0, None
    now = NOW
    while True:
        made = record_failure(
            ModelError("overloaded", "", named), turn=1, failures=failures, since=since, now=now
        )
        if made.retry_at is None:
            break
        pauses.append((made.retry_at - now).total_seconds())
        since, now, failures = since or now, made.retry_at, failures + 1

    assert pauses[:4] == [1, 2, 4, 8]
    assert max(pauses) == 60
    assert failures < MAX_FAILURES


def test_the_thousandth_failure_is_a_failure_like_any_other():
    assert failure(ModelError("overloaded", ""), failures=10**9).retry_at is None


def test_retries_are_spread():
    first = record_failure(
        ModelError("overloaded", ""), turn=1, failures=3, since=None, now=NOW, jitter=1.0
    )

    assert (first.retry_at - NOW).total_seconds() == 10
