"""Costs of an account over HTTP: its machines and its repositories, from the read model."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tests.gateway.kit.histories import projected
from tests.gateway.kit.problems import is_problem

NOW = datetime.now(UTC)
OTHER = "https://github.com/ada/other"
APP = "https://github.com/ada/app"


async def machine(connection, person, task, attempt, *, at=NOW, cost=None):
    await connection.execute(
        "INSERT INTO read.machine (task, attempt, account, name, requested_at, started_at,"
        " ended_at, billed_seconds, cost_microusd) VALUES ($1, $2, $3, 'm', $4, $4, $5, $6, $7)",
        *(task, attempt, person.session["account"], at),
        *(at if cost else None, cost / 10 if cost else None, cost),
    )


async def model_call(url, person, task, cost):
    connection = await asyncpg.connect(url)
    await connection.execute("SET errand.account = '*'")
    await connection.execute(
        "INSERT INTO accounts.model_call (call, gateway, account, person, task, attempt, model,"
        " is_own_key, purses, state, most_microusd, most_output, opened_at, cost_microusd)"
        " VALUES (gen_random_uuid()::text, 'g', $1, $2, $3, 1, 'm', false, '{}', 'settled', 0, 0,"
        " now(), $4)",
        *(person.session["account"], person.session["person"], task, cost),
    )
    await connection.close()


@pytest.fixture
async def tasks(ada, read_model):
    two = [await ada.submit(url=url) for url in (APP, OTHER)]
    for task in two:
        await projected(read_model, ada, task)
    return two


async def test_machines_are_summed_by_day_task_and_repository(ada, bob, tasks, read_model):
    one, other = tasks
    await machine(read_model, ada, one, 1, cost=100)
    await machine(read_model, ada, one, 2, cost=200)
    await machine(read_model, ada, one, 3)
    await machine(read_model, ada, other, 1, at=NOW - timedelta(days=1), cost=50)
    await machine(read_model, ada, other, 2, at=NOW - timedelta(days=90), cost=1000)
    await machine(read_model, bob, await bob.submit(), 1, cost=7000)

    async def told(by):
        data = (await ada.http.get("/v1/usage/machines", params={"by": by})).json()["data"]
        return {
            line["key"]: (line["machines"], line["running"], line["cost_microusd"]) for line in data
        }

    yesterday = f"{NOW - timedelta(days=1):%Y-%m-%d}"
    assert await told("day") == {f"{NOW:%Y-%m-%d}": (3, 1, 300), yesterday: (1, 0, 50)}
    assert await told("task") == {one: (3, 1, 300), other: (1, 0, 50)}
    assert await told("repository") == {APP: (3, 1, 300), OTHER: (1, 0, 50)}
    wrong = await ada.http.get(
        "/v1/usage/machines", params={"since": "2026-02-01", "until": "2026-01-01"}
    )
    is_problem(wrong, 422, "dates_refused")


async def test_model_calls_are_summed_by_repository(ada, tasks, fresh_database):
    one, other = tasks
    await model_call(fresh_database, ada, one, 10)
    await model_call(fresh_database, ada, one, 20)
    await model_call(fresh_database, ada, other, 5)
    unknown = await ada.submit()
    await model_call(fresh_database, ada, unknown, 1)
    data = (await ada.http.get("/v1/usage", params={"by": "repository"})).json()["data"]
    assert {line["key"]: line["cost_microusd"] for line in data} == {APP: 30, OTHER: 5, "": 1}
