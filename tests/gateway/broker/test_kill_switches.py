"""Kill switches at four levels, and the spending an account is shown."""

from tests.gateway.kit.git_tasks import forge_settings, task_on_repository
from tests.gateway.kit.model_calls import (
    call_model,
    gateway_with_model,
    request_body,
    task_with_worker,
)
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.spend import billed, calls
from tests.kit.run.gateway import OPERATOR, a_world

SWITCHES = "/v1/operator/switches"


async def test_a_switch_stops_all_under_it_until_it_is_cleared(servers, fresh_database, model):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        bob, operator = await world.person("bob"), await world.client(OPERATOR)
        task, worker = await task_with_worker(world, ada)
        _, other = await task_with_worker(world, ada)
        _, stranger = await task_with_worker(world, bob)
        levels = {
            "global": ("", [worker, other, stranger]),
            "account": (ada.session["account"], [worker, other]),
            "person": (ada.session["person"], [worker, other]),
            "task": (task, [worker]),
        }
        for level, (owner, stopped) in levels.items():
            payload = {"level": level, "owner": owner, "reason": f"the {level} ran wild"}
            thrown = await operator.put(SWITCHES, json=payload)
            assert thrown.status_code == 200, thrown.text
            for each in (worker, other, stranger):
                answer = await call_model(each, request_body())
                assert (answer.status_code == 403) == (each in stopped), level
                if each in stopped:
                    error = answer.json()["error"]
                    assert error["details"]["error_code"] == "switched_off"
                    assert f"the {level} ran wild" in error["message"]
            counted = await worker.post(
                "/broker/model/v1/messages/count_tokens", content=request_body()
            )
            assert counted.status_code == 403
            listed = (await operator.get(SWITCHES)).json()["data"]
            assert [(s["level"], s["owner"]) for s in listed] == [(level, owner)]
            cleared = await operator.delete(f"{SWITCHES}/{level}", params={"owner": owner})
            assert cleared.status_code == 204
        assert (await call_model(worker, request_body())).status_code == 200
        gone = await operator.delete(f"{SWITCHES}/task", params={"owner": task})
        is_problem(gone, 404, "not_found")


async def test_switches_are_the_operators(servers, fresh_database, model):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        payload = {"level": "global", "reason": "mine"}
        is_problem(await ada.http.put(SWITCHES, json=payload), 401, "unauthenticated")
        is_problem(await ada.http.get(SWITCHES), 401, "unauthenticated")
        is_problem(await ada.http.delete(f"{SWITCHES}/global"), 401, "unauthenticated")
        operator = await world.client(OPERATOR)
        is_problem(
            await operator.put(SWITCHES, json={**payload, "owner": "x"}), 422, "owner_refused"
        )
        task = {"level": "task", "reason": "no owner"}
        is_problem(await operator.put(SWITCHES, json=task), 422, "owner_refused")
        is_problem(
            await operator.put(SWITCHES, json={**payload, "reason": ""}), 422, "invalid_request"
        )


async def test_git_is_stopped_too_and_told_why(servers, fresh_database, forge):
    async with a_world(servers, fresh_database, forges=forge_settings(forge)) as world:
        errand = await task_on_repository(world, forge.create("app"))
        operator = await world.client(OPERATOR)
        await operator.put(SWITCHES, json={"level": "global", "reason": "a bad release"})
        refused = await errand.git("ls-remote", errand.url)
        assert refused.code == 128
        assert "a bad release" in refused.errors
        is_problem(await errand.propose(), 403, "switched_off")


async def test_an_account_sees_what_it_spent_and_nobody_elses(servers, fresh_database, model):
    async with gateway_with_model(servers, fresh_database, model) as (world, ada):
        bob = await world.person("bob")
        task, worker = await task_with_worker(world, ada)
        for _ in range(3):
            await call_model(worker, request_body())
        cost = sum(call["cost_microusd"] for call in await calls(fresh_database))
        for by, key in (("task", task), ("model", "claude-sonnet-5-5"), ("day", None),
                        ("person", ada.session["person"])):  # fmt: skip
            [line] = (await ada.http.get(f"/v1/usage?by={by}")).json()["data"]
            assert key is None or line["key"] == key
            assert (line["calls"], line["presumed"], line["cost_microusd"]) == (3, 0, cost)
            assert line["output_tokens"] == billed(model.ledger())["output_tokens"]
        assert (await bob.http.get("/v1/usage")).json()["data"] == []
        past = "/v1/usage?since=2020-01-01&until=2020-01-31"
        assert (await ada.http.get(past)).json()["data"] == []
        kept = (await ada.http.get("/v1/settings")).json()
        assert kept["person"]["spent"] == kept["account"]["spent"]
        assert kept["person"]["spent"]["day_microusd"] == cost
        assert (await bob.http.get("/v1/settings")).json()["account"]["spent"]["day_microusd"] == 0


async def test_strange_dates_are_refused_or_answered(ada):
    for since, until in (
        ("2026-02-01", "2026-01-01"),
        ("1000-01-01", ""),
        ("x", ""),
        ("0001-01-02", "0001-01-01"),
        ("", "9999-12-31"),
        ("", "0001-01-01"),
    ):
        query = {name: day for name, day in (("since", since), ("until", until)) if day}
        answer = await ada.http.get("/v1/usage", params=query)
        assert answer.status_code in (200, 422), answer.text
    is_problem(await ada.http.get("/v1/usage?by=colour"), 422, "invalid_request")


async def test_strange_limits_are_refused(ada):
    for limit in (-1, 10**13, 1.5):
        answer = await ada.http.put("/v1/settings", json={"person": {"day_microusd": limit}})
        is_problem(answer, 422, "invalid_request")
    is_problem(await ada.http.put("/v1/settings", json={"persn": {}}), 422, "invalid_request")
