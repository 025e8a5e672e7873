"""Small budgets work: the answer is as long as the rest pays for, and the last cents are usable."""

import pytest

from tests.gateway.kit.model_calls import (
    HEADERS,
    MESSAGES,
    call_model,
    closed_call_states,
    gateway_with_model,
    request_body,
    task_with_worker,
)
from tests.kit.probe.spend import calls, spend_limits

LONG = {"max_tokens": 32_000}


async def test_five_cents_pay_for_a_call_that_could_cost_thirty(servers, fresh_database, model):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        task, worker = await task_with_worker(world, ada, budget={"cost_microusd": 50_000})
        answer = await call_model(worker, request_body(**LONG))

        assert answer.status_code == 200
        [call] = await calls(fresh_database)
        assert 512 < call["most_output"] < 5_000
        await closed_call_states(fresh_database)
        spent, reserved = (await spend_limits(fresh_database))[f"task:{task}"]
        assert 0 < spent < 50_000
        assert reserved == 0


async def test_a_budget_that_pays_for_no_answer_is_told_in_dollars(servers, fresh_database, model):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        _, worker = await task_with_worker(world, ada, budget={"cost_microusd": 1_000})
        answer = await call_model(worker, request_body(**LONG))

    error = answer.json()["error"]
    assert answer.status_code == 402
    assert error["details"]["error_code"] == "budget_exhausted"
    assert "$0.001" in error["message"]


async def test_a_worker_may_ask_its_tasks_model_only(servers, fresh_database, model):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        _, worker = await task_with_worker(world, ada)
        for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
            body = request_body(model="claude-fable-5-1")
            answer = await worker.post(path, content=body, headers=HEADERS)
            assert answer.status_code == 403
            assert answer.json()["error"]["details"]["error_code"] == "model_not_allowed"
        assert not await calls(fresh_database)


@pytest.mark.parametrize("beta", ["context-1m-2025-08-07", "files-api-2025-04-14"])
async def test_a_beta_that_changes_the_price_is_not_passed_on(servers, fresh_database, model, beta):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        _, worker = await task_with_worker(world, ada)
        headers = {**HEADERS, "anthropic-beta": beta}
        answer = await worker.post(MESSAGES, content=request_body(), headers=headers)

    assert answer.status_code == 400
    assert beta in answer.json()["error"]["message"]


async def test_an_accounts_day_has_a_limit_unless_it_sets_one(servers, fresh_database, model):
    async with gateway_with_model(servers, fresh_database, model) as (_, ada):
        settings = (await ada.http.get("/v1/settings")).json()

    assert settings["account"]["limits"]["day_microusd"] == 50_000_000
