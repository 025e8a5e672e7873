"""Environments of repositories: which is in force and why, and which a task is given."""

from uuid import uuid4

import pytest

from events.codec import decode
from events.protocol.api.environments import repository_id, repository_url
from tests.gateway.kit.members import joined
from tests.gateway.kit.problems import is_problem
from tests.kit.run.gateway import REPOSITORY

PATH = f"/v1/repositories/{repository_id(REPOSITORY)}/environment"
NPM = {"setup": "npm ci", "egress": "open", "allow": ["api.example.com"], "env": {"CI": "1"}}


async def submitted(person, task):
    bodies = await person.world.log.bodies(person.history(task), after=0, limit=1)
    return decode(person.history(task), 0, bodies[0][1]).event


async def test_settings_are_in_force_until_they_are_removed(ada):
    before = (await ada.http.get(PATH)).json()
    assert (before["url"], before["source"], before["definition"]) == (REPOSITORY, "", None)
    assert before["reason"].startswith("Nothing is known yet.")

    answer = await ada.http.put(PATH, json=NPM)
    assert answer.status_code == 200, answer.text
    kept = (await ada.http.get(PATH)).json()
    assert (kept["source"], kept["definition"]) == ("account", NPM)
    assert kept["settings"]["person"] == ada.session["person"]
    [listed] = (await ada.http.get("/v1/environments")).json()["data"]
    assert listed == kept

    assert (await ada.http.delete(PATH)).status_code == 204
    assert (await ada.http.get(PATH)).json() == before
    assert (await ada.http.get("/v1/environments")).json() == {"data": []}


async def test_a_task_is_given_its_own_environment_else_the_accounts(ada):
    plain = await submitted(ada, await ada.submit())
    assert (plain.environment, plain.environment_source) == (None, "")
    await ada.http.put(PATH, json=NPM)
    kept = await submitted(ada, await ada.submit())
    assert (kept.environment.setup, kept.environment_source) == ("npm ci", "account")
    other = await submitted(ada, await ada.submit(url="https://github.com/ada/other"))
    assert other.environment is None
    named = await submitted(ada, await ada.submit(environment={"setup": "make"}))
    assert (named.environment.setup, named.environment_source) == ("make", "task")


async def test_a_submission_that_is_sent_again_stays_the_same_when_settings_changed_since(ada):
    key, body = str(uuid4()), {"prompt": "fix it", "repository": {"url": REPOSITORY}}
    first = await ada.post("/v1/tasks", body, key)
    await ada.http.put(PATH, json=NPM)
    again = await ada.post("/v1/tasks", body, key)
    assert again.status_code == 201, again.text
    assert again.json()["id"] == first.json()["id"]
    other = await ada.post("/v1/tasks", {**body, "environment": {"setup": "make"}}, key)
    is_problem(other, 422, "command_id_reused")


@pytest.mark.parametrize(
    ("environment", "pointer"),
    [
        ({"timeout_seconds": 1}, "/timeout_seconds"),
        ({"allow": ["https://x"]}, "/allow/0"),
        ({"env": {"HOME": "/"}}, "/env/HOME"),
        ({"cache_paths": ["/etc"]}, "/cache_paths/0"),
        ({"setup": "x" * 20_000}, "/setup"),
    ],
)
async def test_a_value_that_is_not_allowed_is_named(ada, environment, pointer):
    refused = await ada.http.put(PATH, json=environment)
    is_problem(refused, 422, "environment_refused")
    assert refused.json()["errors"][0]["pointer"] == pointer
    body = {"prompt": "x", "repository": {"url": REPOSITORY}, "environment": environment}
    answer = await ada.post("/v1/tasks", body)
    is_problem(answer, 422, "environment_refused")
    assert answer.json()["errors"][0]["pointer"] == f"/environment{pointer}"


async def test_only_an_owner_sets_what_holds_for_all(world, ada):
    member = await joined(world, ada)
    is_problem(await member.http.put(PATH, json=NPM), 403, "owner_only")
    is_problem(await member.http.delete(PATH), 403, "owner_only")
    assert (await member.http.get(PATH)).status_code == 200


async def test_another_account_sees_and_changes_nothing(ada, bob):
    await ada.http.put(PATH, json=NPM)
    assert (await bob.http.get(PATH)).json()["source"] == ""
    assert (await bob.http.get("/v1/environments")).json() == {"data": []}
    await bob.http.delete(PATH)
    assert (await ada.http.get(PATH)).json()["source"] == "account"


async def test_an_id_that_names_no_repository_is_not_found(ada):
    for identifier in ("x", "%20", repository_id("https://elsewhere.example/a/b"), "a" * 5000):
        answer = await ada.http.get(f"/v1/repositories/{identifier}/environment")
        is_problem(answer, 404, "not_found")


@pytest.mark.parametrize("url", [REPOSITORY, "https://github.com/a_b/c.d-e", "x"])
def test_an_id_is_the_address_and_nothing_else(url):
    assert repository_url(repository_id(url)) == url
