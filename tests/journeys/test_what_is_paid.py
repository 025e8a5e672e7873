"""Money, end to end: a task that may not spend waits; what it spent is what the model billed."""

import httpx

from events import BudgetExhausted, ModelReplied, TaskFailed, TaskFinished
from infra.local.demo.sample_repositories import PROMPTS
from tests.kit.probe.spend import TOKENS
from tests.kit.run.phone import repository

SWITCHES = "/v1/operator/switches"


async def test_a_task_waits_for_its_budget_and_goes_on_when_it_is_raised(stack, phone):
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPTS["slugify"], made.url, budget={"cost_microusd": 1_000})
    seen, exhausted = [], []
    async for recorded in phone.watch(task["id"]):
        seen.append(recorded.event)
        if isinstance(recorded.event, BudgetExhausted):
            exhausted.append(recorded.event)
            path = f"/v1/tasks/{task['id']}/budget"
            await phone.post(path, {"cost_microusd": 2_000_000})
    assert isinstance(seen[-1], TaskFinished), seen[-1]
    assert exhausted == [BudgetExhausted(scope="cost", spent=0, limit=1_000)]

    [line] = [
        each
        for each in (await phone.get("/v1/usage", by="task"))["data"]
        if each["key"] == task["id"]
    ]
    replies = [event for event in seen if isinstance(event, ModelReplied)]
    assert line["calls"] == len(replies)
    assert line["cost_microusd"] == sum(reply.cost_microusd for reply in replies)
    url = f"http://127.0.0.1:{stack.servers.ports['model']}/ledger"
    headers = {"Authorization": f"Bearer {stack.servers.keys.model_key}"}
    report = httpx.get(url, params={"user_id": task["id"]}, headers=headers).json()
    assert {name: line[name] for name in TOKENS} == {
        name: report["completed"][name] for name in TOKENS
    }


async def test_a_task_that_is_switched_off_ends_with_the_reason(stack, phone):
    made = await repository(stack, "slugify")
    headers = {"Authorization": f"Bearer {stack.operator_token}"}
    async with httpx.AsyncClient(base_url=stack.gateway_url, headers=headers) as operator:
        task = await phone.submit("rehearse 20 tool calls of 0.2 seconds", made.url)
        payload = {"level": "task", "owner": task["id"], "reason": "it ran wild"}
        async for recorded in phone.watch(task["id"]):
            if isinstance(recorded.event, ModelReplied):
                assert (await operator.put(SWITCHES, json=payload)).status_code == 200
            last = recorded.event
    assert isinstance(last, TaskFailed)
    assert last.reason == "switched_off"
    assert "it ran wild" in last.detail
    assert "operator" in last.remedy
