"""The waiting of a task, its beginning, and the budget as it stands: folded from any history."""

from datetime import timedelta
from functools import reduce
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import (
    AttemptStarted,
    Budget,
    BudgetExhausted,
    BudgetRaised,
    MachineId,
    ModelFailed,
    ModelRequested,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    Repository,
    TaskCancelled,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolStarted,
)
from events.ids import CallId, RequestId
from events.protocol.task_state import ExhaustedBudget, TaskBudget, TaskState, evolve
from services.worker.agent.evolve import evolve as evolve_agent
from services.worker.agent.state import AgentState, Attempt
from tests.kit.build.any_event import BEGINNING, any_fact, story

BUDGET = Budget(cost_microusd=2_000_000, turns=40, wall_seconds=3600)
SUBMITTED = TaskSubmitted(
    prompt="Fix it", repository=Repository("u"), model="m", budget=BUDGET, policy="risky"
)
STARTED = AttemptStarted(attempt=1, machine=MachineId("m1"))
THINKING = ModelRequested(turn=1, model="m")
TOOL = ToolStarted(call=CallId("c1"), tool="bash", title="Run the tests")
ASKED = QuestionAsked(request=RequestId("req_1"), call=CallId("c1"), text="Which?")
ANSWERED = QuestionAnswered(request=RequestId("req_1"), text="That one")
RETRY_AT = BEGINNING + timedelta(hours=1)
RETRYING = ModelFailed(turn=1, kind="overloaded", detail="529", retry_at=RETRY_AT)
WORKING = (SUBMITTED, STARTED, THINKING)
RAISED = BudgetRaised(cost_microusd=500_000)


def spent(scope: Any) -> BudgetExhausted:
    return BudgetExhausted(scope=scope, spent=3, limit=2, resets_at=RETRY_AT)


def later(*told: Any) -> list[Recorded]:
    """Record the facts, each a minute after the one before."""
    facts = enumerate(story(*told))
    return [
        msgspec.structs.replace(recorded, at=BEGINNING + timedelta(minutes=number))
        for number, recorded in facts
    ]


def fold(*told: Any) -> TaskState:
    state = reduce(evolve, later(*told), None)
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("told", "minute"),
    [
        ((SUBMITTED,), 0),
        ((SUBMITTED, STARTED), 1),
        ((SUBMITTED, STARTED, THINKING, TOOL), 1),
        ((*WORKING, ASKED), 3),
        ((*WORKING, ASKED, RAISED), 3),
        ((*WORKING, ASKED, ANSWERED), 4),
        ((*WORKING, RETRYING, RETRYING), 3),
        ((*WORKING, ASKED, TaskInterrupted()), 4),
        ((*WORKING, TaskFinished(summary="", outcome="branch"), RAISED), 3),
        ((*WORKING, TaskCancelled(), TaskInstructed(text="Go on")), 4),
    ],
)
def test_a_state_says_since_when_it_is_so(told: Any, minute: int) -> None:
    assert fold(*told).since == BEGINNING + timedelta(minutes=minute)


def test_a_task_shows_the_policy_and_the_limits_it_was_sent_with() -> None:
    state = fold(SUBMITTED)

    assert state.policy == "risky"
    assert state.budget == TaskBudget(2_000_000, 40, 3600, BUDGET)
    assert not state.is_outdated


def test_what_a_task_without_limits_is_allowed_stays_unlimited() -> None:
    free = TaskSubmitted(prompt="p", repository=Repository("u"), model="m")

    assert fold(free, STARTED, RAISED).budget == TaskBudget()


@pytest.mark.parametrize(
    ("scope", "budget"),
    [
        ("cost", TaskBudget(2_500_000, 40, 3600, BUDGET)),
        ("turns", TaskBudget(2_500_000, 80, 3600, BUDGET)),
        ("wall", TaskBudget(2_500_000, 40, 7200, BUDGET)),
        ("person", TaskBudget(2_500_000, 40, 3600, BUDGET)),
    ],
)
def test_a_waiting_for_budget_says_which_limit_is_met_until_it_is_raised(
    scope: Any, budget: TaskBudget
) -> None:
    waiting = fold(*WORKING, spent(scope))
    assert waiting.budget_exhausted == ExhaustedBudget(scope, 3, 2, RETRY_AT)
    assert waiting.waiting == "budget"

    raised = fold(*WORKING, spent(scope), RAISED)
    assert (raised.budget, raised.budget_exhausted) == (budget, None)


def test_a_waiting_for_the_provider_says_when_it_goes_on() -> None:
    assert fold(*WORKING, RETRYING).retry_at == RETRY_AT
    for after in (THINKING, ASKED, STARTED, TaskCancelled(), TaskInstructed(text="Now")):
        assert fold(*WORKING, RETRYING, after).retry_at is None


_budget_facts = st.lists(
    st.sampled_from(
        [
            STARTED,
            AttemptStarted(attempt=2, machine=MachineId("m2")),
            THINKING,
            RAISED,
            RETRYING,
            ASKED,
            TaskInterrupted(),
            TaskInstructed(text="More"),
            TaskFinished(summary="", outcome="branch"),
            *(spent(scope) for scope in ("cost", "turns", "wall", "person", "account")),
        ]
    ),
    max_size=12,
)


@given(_budget_facts)
def test_people_see_the_limits_that_the_worker_keeps_to(facts: list[Any]) -> None:
    history = later(SUBMITTED, *facts)
    agent = reduce(evolve_agent, history, AgentState(attempt=Attempt(number=1)))
    state = reduce(evolve, history, None)

    assert state is not None
    assert state.budget is not None
    limits = agent.budget.budget
    assert (state.budget.cost_microusd, state.budget.turns, state.budget.wall_seconds) == (
        limits.cost_microusd,
        limits.turns,
        limits.wall_seconds,
    )


@given(st.lists(any_fact, max_size=20))
def test_in_no_history_does_anything_wait_without_a_beginning(facts: list[Any]) -> None:
    state = None
    for recorded in later(SUBMITTED, *facts):
        before, state = state, evolve(state, recorded)
        if state is None:
            break
        assert state.since is not None
        is_news = before is None or (before.phase, before.waiting) != (state.phase, state.waiting)
        assert not is_news or state.since == recorded.at
        assert state.retry_at is None or state.waiting == "provider"
        assert state.waiting != "budget" or state.budget_exhausted


def test_a_state_of_an_older_version_is_known_as_one_and_says_nothing_it_does_not_know() -> None:
    stored = msgspec.to_builtins(fold(*WORKING))
    for name in ("since", "budget", "budget_exhausted", "retry_at", "policy"):
        del stored[name]
    old = msgspec.json.decode(msgspec.json.encode(stored), type=TaskState)

    assert old.is_outdated
    assert (old.since, old.budget, old.policy) == (None, None, None)
    raised = reduce(evolve, later(*WORKING, spent("cost"), RAISED)[3:], old)
    assert raised is not None
    assert (raised.is_outdated, raised.budget_exhausted) == (True, None)
