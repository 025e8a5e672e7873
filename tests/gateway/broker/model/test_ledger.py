"""Reserved and billed cost of model calls: the broker's ledger against the model's own count."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from events import BudgetRaised, Usage
from events.protocol.model_prices import cost_microusd
from infra.runtime.clock import utc_now
from services.gateway.broker.accounting.model_request import counting, read
from services.gateway.broker.model.ledger import Ledger
from services.gateway.broker.model.provider_report import Reconciliation, UsageReport
from services.gateway.stores.database import create_pool
from tests.gateway.kit.model_calls import (
    HEADERS,
    HELLO,
    MESSAGES,
    call_model,
    closed_call_states,
    gateway_with_model,
    request_body,
    task_with_worker,
)
from tests.gateway.kit.process import environment, free_port, spawn
from tests.kit.probe.eventually import eventually
from tests.kit.probe.spend import billed, calls, spend_limits, tokens
from tests.kit.run.gateway import broker_settings_for
from tests.kit.run.rehearsal_model import running_model

CALLS = int(os.environ.get("CALLS", "60"))
"""The number of calls made at once against a budget for 20."""


def most(body):
    return read(body).estimate().max_microusd


async def closely(worker, body):
    """Return the most a call may cost once its prompt is counted, as it is before a refusal."""
    answer = await worker.post(f"{MESSAGES}/count_tokens", content=counting(body), headers=HEADERS)
    return read(body).counted(answer.json()["input_tokens"]).estimate().max_microusd


async def test_a_budget_for_20_calls_holds_under_many_more_at_once(servers, fresh_database, model):
    body = request_body()
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        _, worker = await task_with_worker(world, ada)
        assert (await call_model(worker, body)).status_code == 200
        [one] = await calls(fresh_database)
        whole = one["cost_microusd"]
        limit = 19 * whole + await closely(
            worker, body
        )  # the twentieth call still fits; the one after does not
        task, worker = await task_with_worker(world, ada, budget={"cost_microusd": limit})

        async def call():
            while (answer := await call_model(worker, body)).status_code in (429, 503):
                await asyncio.sleep(1)  # calls under way hold the budget; "try again", it says
            return answer

        async with asyncio.timeout(200), asyncio.TaskGroup() as group:
            asked = [group.create_task(call()) for _ in range(CALLS)]
        answers = [each.result() for each in asked]

    assert Counter(a.status_code for a in answers) == {200: 20, 402: CALLS - 20}
    error = next(a for a in answers if a.status_code == 402).json()["error"]
    assert error["type"] == "billing_error"
    told = {name: error["details"][name] for name in ("error_code", "scope", "spent", "limit")}
    assert told == {
        "error_code": "budget_exhausted", "scope": "cost", "spent": 20 * whole, "limit": limit,
    }  # fmt: skip
    assert (await spend_limits(fresh_database))[f"task:{task}"] == (20 * whole, 0)
    assert await closed_call_states(fresh_database) == {"settled": 21}
    assert await tokens(fresh_database) == billed(model.ledger())


async def test_many_tasks_at_once_do_not_overspend_their_person_and_account(
    servers, fresh_database, model
):
    body = request_body()
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        workers = [(await task_with_worker(world, ada))[1] for _ in range(4)]
        for scope, limit in (("person", 5 * most(body)), ("account", 3 * most(body))):
            payload = {scope: {"day_microusd": limit}}
            assert (await ada.http.put("/v1/settings", json=payload)).status_code == 200
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(call_model(w, body)) for w in workers for _ in range(10)]
            statuses = Counter(each.result().status_code for each in asked)
            assert statuses[200] >= 1
            assert set(statuses) <= {200, 429, 402}
            kept = (await ada.http.get("/v1/settings")).json()[scope]
            assert kept["limits"] == {"day_microusd": limit, "month_microusd": None}
            assert kept["spent"]["reserved_microusd"] == 0
            assert kept["spent"]["day_microusd"] <= limit
    await closed_call_states(fresh_database)
    assert await tokens(fresh_database) == billed(model.ledger())


async def test_a_shared_limit_says_when_it_begins_again(servers, fresh_database, model):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        _, worker = await task_with_worker(world, ada)
        for payload, scope in (({"account": {"month_microusd": 1}}, "account"),
                            ({"person": {"day_microusd": 0}}, "person")):  # fmt: skip
            await ada.http.put("/v1/settings", json=payload)
            details = (await call_model(worker, request_body())).json()["error"]["details"]
            assert details["scope"] == scope
            assert details["resets_at"] > utc_now().isoformat()
        await ada.http.put("/v1/settings", json={})
        assert (await call_model(worker, request_body())).status_code == 200


async def test_a_raised_budget_holds_at_once(servers, fresh_database, model):
    body = request_body()
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        _, other = await task_with_worker(world, ada)
        limit = await closely(other, body) - 1
        assert limit < most(body) // 2
        task, worker = await task_with_worker(world, ada, budget={"cost_microusd": limit})
        assert (await call_model(worker, body)).status_code == 402
        await world.append(ada.history(task), BudgetRaised(cost_microusd=1), by="person:x")
        assert (await call_model(worker, body)).status_code == 200


async def test_a_worker_that_hangs_up_is_billed_to_the_end(servers, fresh_database, tmp_path):
    with running_model(tmp_path / "slow", pace=0.05) as slow:
        async with gateway_with_model(servers, fresh_database, slow) as (world, ada):
            _, worker = await task_with_worker(world, ada)
            body = request_body(stream=True)
            async with worker.stream("POST", MESSAGES, content=body, headers=HEADERS) as answer:
                async for chunk in answer.aiter_bytes():
                    if b"content_block_delta" in chunk:
                        break
            assert await closed_call_states(fresh_database) == {"settled": 1}
        report = slow.ledger()
    assert (report["completed"]["requests"], report["interrupted"]["requests"]) == (1, 0)
    assert await tokens(fresh_database) == billed(report)


async def test_what_the_provider_refuses_costs_nothing(servers, fresh_database, model):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        _, worker = await task_with_worker(world, ada)
        for status in (429, 500, 529):
            model.order("status", status=status)
            assert (await call_model(worker, request_body())).status_code == status
        assert await closed_call_states(fresh_database) == {"released": 3}
    assert all(spent == 0 for spent, _ in (await spend_limits(fresh_database)).values())


async def test_an_answer_that_broke_off_stands_at_its_worst_case(servers, fresh_database, model):
    kinds = ("stream_error", "drop", "truncate")
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        _, worker = await task_with_worker(world, ada)
        for kind in kinds:
            model.order(kind, after_events=4)
            await call_model(worker, request_body(stream=True))
        assert await closed_call_states(fresh_database) == {"presumed": len(kinds)}
    prompt = billed(model.ledger())["input_tokens"] // len(kinds)
    for call in await calls(fresh_database):
        assert call["input_tokens"] == prompt
        assert call["cost_microusd"] == 2 * prompt + 10 * HELLO["max_tokens"]


REFUSED = [
    {"mcp_servers": [{"url": "https://evil"}]},
    {"tools": [{"type": "web_fetch_20260318", "name": "web_fetch"}]},
    {"thread": {"type": "create"}},
    {"speed": "fast"},
    {"messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "url", "url": "https://evil"}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [
        {"type": "document", "source": {"type": "file", "file_id": "f"}}]}]}]},
    {"messages": [{"role": "user", "content": [
        {"type": "document", "source": {"type": "content", "content": [
            {"type": "image", "source": {"type": "url", "url": "https://evil"}}]}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]},
    {"max_tokens": -1},
    {"max_tokens": "100"},
    {"model": ""},
]  # fmt: skip


async def test_what_cannot_be_priced_or_reaches_out_is_not_passed_on(
    servers, fresh_database, model
):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        _, worker = await task_with_worker(world, ada)
        for changes in REFUSED:
            answer = await call_model(worker, request_body(**changes))
            told = answer.status_code, answer.json()["error"]["type"]
            assert told == (400, "invalid_request_error"), changes
            counting = {**HELLO, **changes, "max_tokens": changes.get("max_tokens", 0)}
            counted = await worker.post(f"{MESSAGES}/count_tokens", json=counting, headers=HEADERS)
            assert counted.status_code == 400, changes
        assert (await call_model(worker, b"{")).status_code == 400
    assert not await calls(fresh_database)
    assert model.ledger()["completed"]["requests"] == 0


@asynccontextmanager
async def a_broker_process(servers, database, model):
    """A broker to be killed; hands out the process and its URL."""
    port = free_port()
    known = {"model_base_url": model.url, "model_api_key": model.key}
    variables = environment(broker_settings_for(servers, database, port, **known))
    process = await spawn(variables, "services.gateway.broker")
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            async def ready():
                try:
                    return (await http.get("/health/ready")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(ready, seconds=60)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def cut_off_by_a_kill(servers, database, model, worker):
    """Ask for a stream through a broker of its own, and kill that in the middle."""
    async with a_broker_process(servers, database, model) as (process, url):
        with pytest.raises(httpx.TransportError):  # noqa: PT012 - it is killed inside
            async with worker.stream(
                "POST", url + MESSAGES, content=request_body(stream=True), headers=HEADERS
            ) as answer:
                async for chunk in answer.aiter_bytes():
                    if b"content_block_delta" in chunk and process.returncode is None:
                        process.send_signal(signal.SIGKILL)


async def test_billed_equals_the_models_own_count_after_kill_9_in_mid_stream(
    servers, fresh_database, tmp_path
):
    admin = "sk-admin-of-the-rehearsal"
    with running_model(tmp_path / "slow", pace=0.1, model_admin_key=admin) as slow:
        async with gateway_with_model(servers, fresh_database, slow) as (world, ada):
            _, worker = await task_with_worker(world, ada)
            await cut_off_by_a_kill(servers, fresh_database, slow, worker)
            assert [call["state"] for call in await calls(fresh_database)] == ["open"]
            assert (
                await call_model(worker, request_body(stream=True))
            ).status_code == 200  # it asks again

            async def interrupted():
                return slow.ledger()["interrupted"]["requests"]

            await eventually(interrupted, seconds=30)
            in_truth = billed(slow.ledger())
            async with create_pool(fresh_database) as pool, httpx.AsyncClient() as client:
                survivor = Ledger(pool, gateway="gw_test")
                assert await survivor.sweep(utc_now()) == []  # it may only be slow
                soon = utc_now() + timedelta(seconds=90)
                twin = Ledger(pool, gateway="gw_twin")  # brokers that look at the same time
                swept = await asyncio.gather(survivor.sweep(soon), twin.sweep(soon))
                assert len({call for each in swept for call in each}) == 1
                states = await closed_call_states(fresh_database)
                assert states == {"presumed": 1, "settled": 1}
                assert (await tokens(fresh_database))["input_tokens"] == in_truth["input_tokens"]
                assert await cost(fresh_database) > priced(in_truth)  # at its worst case, till then

                report = UsageReport(client, base_url=slow.url, admin_key=admin, key_id="")
                later = soon + timedelta(minutes=10)
                await Reconciliation(survivor, report, lambda: later).once()

        assert await closed_call_states(fresh_database) == {"settled": 2}
        assert await tokens(fresh_database) == in_truth == billed(slow.ledger())
        assert await cost(fresh_database) == priced(in_truth)
        spent = {name: spent for name, (spent, _) in (await spend_limits(fresh_database)).items()}
        assert set(spent.values()) == {priced(in_truth)}


async def cost(database):
    return sum(call["cost_microusd"] for call in await calls(database))


def priced(tokens_):
    return cost_microusd(HELLO["model"], Usage(**tokens_))


async def test_the_report_is_the_admins_and_comes_in_pages(tmp_path):
    with running_model(tmp_path / "model", model_admin_key="sk-admin") as model:
        async with model.client() as sdk, httpx.AsyncClient(base_url=model.url) as client:
            await sdk.messages.create(**HELLO)
            path = "/v1/organizations/usage_report/messages"
            since = utc_now() - timedelta(minutes=3)
            query = {"starting_at": since.isoformat(), "bucket_width": "1m", "limit": 1}
            until = (utc_now() + timedelta(minutes=2)).isoformat()
            for key, status in ((model.key, 401), ("", 401), ("sk-admin", 200)):
                headers = {"x-api-key": key} if key else {}
                assert (await client.get(path, params=query, headers=headers)).status_code == status
            for wrong in ({"limit": 0}, {"bucket_width": "1s"}, {"starting_at": "x"}, {"x": 1}):
                answer = await client.get(path, params={**query, **wrong}, headers=headers)
                assert answer.status_code == 400
            pages = []
            while not pages or pages[-1]["has_more"]:
                more = {"page": pages[-1]["next_page"]} if pages else {}
                asked = {**query, "ending_at": until, "group_by[]": "model", **more}
                pages.append((await client.get(path, params=asked, headers=headers)).json())
            results = [r for page in pages for each in page["data"] for r in each["results"]]
            assert len(pages) >= 4
            assert [result["model"] for result in results] == [HELLO["model"]]
            told = model.ledger()["completed"]
            assert results[0]["output_tokens"] == told["output_tokens"]
            report = UsageReport(client, base_url=model.url, admin_key="sk-admin", key_id="")
            [count] = (await report.read(since, utc_now() + timedelta(minutes=2))).values()
            assert count.usage.input_tokens == told["input_tokens"]
