"""A task's cost, its machines and its changes, over HTTP."""

import pytest

from tests.gateway.kit.full_task import a_full_task
from tests.gateway.kit.histories import projected
from tests.gateway.kit.problems import is_problem

AT = "2026-01-02T03:04:05Z"


async def test_what_a_task_cost_is_told_reply_by_reply(ada, read_model):
    task = await ada.submit()
    empty = (await ada.http.get(f"/v1/tasks/{task}/usage")).json()
    assert empty == {"input_tokens": 0, "output_tokens": 0, "cost_microusd": 0, "data": []}
    for version in (2, 5):
        await read_model.execute(
            "INSERT INTO read.usage VALUES"
            " ($1, $2, $3, 'm', $2, 10, 20, 30, 40, 50, $4::text::timestamptz)",
            task,
            version,
            ada.session["account"],
            AT,
        )
    told = (await ada.http.get(f"/v1/tasks/{task}/usage")).json()
    assert (told["input_tokens"], told["output_tokens"], told["cost_microusd"]) == (160, 40, 100)
    assert [reply["version"] for reply in told["data"]] == [2, 5]
    assert told["data"][0]["at"] == AT


async def test_the_machines_of_a_task_are_told_with_what_is_not_known_yet(ada, read_model):
    task = await ada.submit()
    await read_model.execute(
        "INSERT INTO read.machine (task, attempt, account, name, region, requested_at)"
        " VALUES ($1, 1, $2, 'm1', 'local', $3::text::timestamptz)",
        task,
        ada.session["account"],
        AT,
    )
    [machine] = (await ada.http.get(f"/v1/tasks/{task}/machines")).json()["data"]
    assert (machine["attempt"], machine["name"], machine["requested_at"]) == (1, "m1", AT)
    assert (machine["machine"], machine["started_at"], machine["cost_microusd"]) == ("", None, None)


async def test_the_files_a_task_changed_are_those_of_its_newest_diff(ada, world, servers):
    task = await a_full_task(ada, world, servers)
    told = (await ada.http.get(f"/v1/tasks/{task}/files")).json()
    [changed] = told["data"]
    assert (changed["path"], changed["change"]) == ("x", "modified")
    assert (changed["insertions"], changed["deletions"]) == (1, 1)
    is_problem(await ada.http.get(f"/v1/tasks/{await ada.submit()}/files"), 404, "not_found")


async def test_lists_leave_archived_tasks_out_unless_they_are_asked_for(ada, read_model):
    kept, gone = await ada.submit("kept"), await ada.submit("gone")
    for task in (kept, gone):
        await projected(read_model, ada, task)
    await read_model.execute(
        """UPDATE read.task SET state = state || '{"is_archived": true}' WHERE task = $1""", gone
    )
    await read_model.execute(
        "UPDATE read.task SET state = state - 'is_archived' WHERE task = $1", kept
    )

    async def listed(**query):
        answer = await ada.http.get("/v1/tasks", params=query)
        return [task["id"] for task in answer.json()["data"]]

    assert await listed() == [kept]
    assert await listed(archived="true") == [gone, kept]
    assert await listed(phase="queued") == [kept]
    assert await listed(phase="finished") == []
    assert await listed(repository="https://github.com/ada/other") == []


@pytest.mark.parametrize("path", ["repository=%00", "after=%00", "phase=null&phase=null"])
async def test_a_query_that_makes_no_sense_is_refused(ada, read_model, path):
    assert (await ada.http.get(f"/v1/tasks?{path}")).status_code in (400, 422)
