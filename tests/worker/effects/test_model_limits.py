"""A worker's reaction to the broker's refusals: a limit that is reached, a switch that is off."""

import json
from datetime import timedelta

import pytest

from events import BudgetExhausted, BudgetRaised, ModelFailed
from services.worker.agent.failures.model_errors import model_failure
from services.worker.agent.next_step import AskModel, Wait, next_step
from services.worker.effects.model import client as model
from services.worker.ports import BudgetRefused, ModelFailure
from tests.kit.build.worker_history import (
    ASKED,
    NOW,
    READS,
    READY,
    STEER,
    began,
    ended,
    folded,
    history,
    limited,
    recording,
    replied,
    requested,
)
from tests.kit.fakes.scripted_http import scripted_http
from tests.kit.run.model_client import model_error_of, question

OWN = BudgetExhausted(scope="cost", spent=90, limit=100)
SHARED = BudgetExhausted(scope="account", spent=90, limit=100, resets_at=NOW + timedelta(hours=3))
MET = (limited(cost_microusd=100), *READY[1:], requested())


def due(*events, now=NOW):
    return next_step(folded(history(*events)), now)


def test_a_call_that_may_cost_too_much_waits_and_is_made_once_the_budget_is_raised():
    assert isinstance(due(*MET), AskModel)
    assert due(*MET, OWN) == Wait("budget")
    assert due(*MET, OWN, STEER) == Wait("budget")
    assert due(*MET, OWN, BudgetRaised(cost_microusd=50)) == recording(requested())
    assert isinstance(due(*MET, OWN, BudgetRaised(cost_microusd=50), requested()), AskModel)


def test_a_shared_limit_is_waited_for_until_it_begins_again():
    assert due(*ASKED, SHARED) == Wait("budget", SHARED.resets_at)
    assert due(*ASKED, SHARED, now=SHARED.resets_at) == recording(requested())
    turn = folded(history(*ASKED, SHARED, requested()))
    assert isinstance(next_step(turn, NOW), AskModel)
    assert turn.budget.exhausted is None


def test_a_word_from_a_person_tries_a_shared_limit_again():
    assert due(*ASKED, SHARED, STEER) == recording(requested())
    assert due(*ASKED, SHARED, BudgetRaised(cost_microusd=1)) == recording(requested())


def test_after_a_shared_limit_the_tasks_own_still_holds():
    spent = (*MET[:-1], requested(), replied(READS[0]), began("r1", "read"), ended("r1"))
    met = due(*spent, SHARED, now=SHARED.resets_at)
    assert met == recording(BudgetExhausted(scope="cost", spent=100, limit=100))


def refusal(**details):
    error = {"type": "x_error", "message": "no: because", "details": details}
    return json.dumps({"type": "error", "error": error}).encode()


@pytest.fixture
async def script():
    with scripted_http() as made:
        yield made


async def test_the_limit_that_is_met_is_told(script):
    told = {"error_code": "budget_exhausted", "scope": "person", "spent": 7, "limit": 9}
    script.answers.append((402, refusal(**told, needed=5, resets_at="2026-11-27T00:00:00Z")))
    async with model.connect(script.url, "token") as client:
        with pytest.raises(BudgetRefused) as refused:
            await client.ask(question(), lambda *_: None)
    met = refused.value.exhausted
    assert (met.scope, met.spent, met.limit) == ("person", 7, 9)
    assert met.resets_at.isoformat() == "2026-11-27T00:00:00+00:00"


async def test_a_switch_that_is_thrown_ends_the_task_with_its_reason(script):
    script.answers.append((403, refusal(error_code="switched_off")))
    async with model.connect(script.url, "token") as client:
        model_error = await model_error_of(client, question())
    assert model_error.kind == "switched_off"
    failed = model_failure(ModelFailed(turn=1, kind=model_error.kind, detail=model_error.detail))
    assert (failed.reason, "because" in failed.detail) == ("switched_off", True)


async def test_the_providers_own_402_is_no_budget_of_ours(script):
    script.answers.append((402, refusal(error_code="credit_balance_too_low")))
    async with model.connect(script.url, "token") as client:
        with pytest.raises(ModelFailure, match="out_of_credit"):
            await client.ask(question(), lambda *_: None)
