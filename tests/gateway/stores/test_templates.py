"""Templates, quick replies and latest choices: a person's own, on every device of theirs."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.gateway.stores import templates
from services.gateway.stores.database import create_pool, within
from services.gateway.stores.recent_choices import MAX_BRANCHES, UsedChoices, recents_of
from tests.gateway.kit.histories import projected
from tests.gateway.kit.members import joined
from tests.gateway.kit.problems import is_problem
from tests.kit.run.gateway import REPOSITORY

PATH = "/v1/me/templates"
REPLY = {"kind": "reply", "text": "Run the linter too"}
TASK = {
    "kind": "task",
    "name": "Dependencies",
    "text": "Update the dependencies and make the tests pass.",
    "repository": {"url": REPOSITORY, "base": "next"},
    "model": "claude-opus-4-5",
    "policy": "risky",
    "budget": {"cost_microusd": 2_000_000},
}
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


async def listed(person):
    return (await person.http.get(PATH)).json()["data"]


async def test_what_a_person_saves_on_one_device_is_on_the_other(world, ada):
    made = await ada.http.post(PATH, json=TASK)
    assert made.status_code == 201, made.text
    await ada.http.post(PATH, json=REPLY)
    code = (await ada.http.post("/v1/pairings")).json()["code"]
    nobody = await world.client()
    other = await world.client(
        (await nobody.post("/v1/sessions", json={"code": code})).json()["token"]
    )
    found = (await other.get(PATH)).json()["data"]
    assert found == await listed(ada)
    assert [each["content"] for each in found] == [TASK, REPLY]

    changed = {**TASK, "name": "All dependencies"}
    place = f"{PATH}/{made.json()['template']}"
    assert (await other.put(place, json=changed)).json()["content"] == changed
    assert (await other.delete(f"{PATH}/{found[1]['template']}")).status_code == 204
    assert [each["content"] for each in await listed(ada)] == [changed]


async def test_templates_are_a_persons_own_and_walled_off(world, ada, bob, fresh_database):
    bea = await joined(world, ada)
    place = f"{PATH}/{(await ada.http.post(PATH, json=REPLY)).json()['template']}"
    for person in (bea, bob):
        assert await listed(person) == []
        is_problem(await person.http.put(place, json=REPLY), 404, "not_found")
        is_problem(await person.http.delete(place), 404, "not_found")
    async with (
        create_pool(fresh_database) as pool,
        within(pool, bob.session["account"]) as connection,
    ):
        assert await connection.fetchval("SELECT count(*) FROM accounts.template") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(
                "INSERT INTO accounts.template VALUES ($1, $2, 't', 'reply', '{}', now(), now())",
                ada.session["account"],
                ada.session["person"],
            )
    assert [each["content"] for each in await listed(ada)] == [REPLY]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"text": "  "}, "text_empty"),
        ({"text": "a\0b"}, "text_refused"),
        ({"text": "x" * 8001}, "text_too_long"),
        ({"name": ""}, "text_empty"),
        ({"name": "x" * 81}, "text_too_long"),
        ({"repository": {"url": ""}}, "text_empty"),
        ({"repository": {"url": REPOSITORY, "base": "../x"}}, "branch_refused"),
        ({"model": "two words"}, "model_refused"),
        ({"budget": {"cost_microusd": -1}}, "out_of_range"),
        ({"kind": "reply"}, "reply_refused"),
    ],
)
async def test_a_template_that_could_not_be_sent_is_refused(ada, changed, code):
    is_problem(await ada.http.post(PATH, json={**TASK, **changed}), 422, code)
    assert await listed(ada) == []


async def test_a_person_has_so_many_templates_of_a_kind_and_no_more(ada, monkeypatch):
    monkeypatch.setattr(templates, "MAX_TEMPLATES", 2)
    for _ in range(2):
        assert (await ada.http.post(PATH, json=REPLY)).status_code == 201
    is_problem(await ada.http.post(PATH, json=REPLY), 409, "too_many_templates")
    made = (await ada.http.post(PATH, json=TASK)).json()
    is_problem(await ada.http.put(f"{PATH}/{made['template']}", json=REPLY), 422, "kind_refused")


async def test_the_latest_choices_are_those_of_ones_own_tasks(world, ada, read_model):
    bea = await joined(world, ada)
    for number, person in enumerate((ada, bea)):
        task = await person.submit(url=f"{REPOSITORY}-{number}")
        await projected(read_model, person, task)
        await read_model.execute(
            "INSERT INTO read.event (sequence, task, version, by) VALUES ($1, $2, 1, $3)",
            number,
            task,
            f"person:{person.session['person']}",
        )
    for number, person in enumerate((ada, bea)):
        recents = (await person.http.get("/v1/me/recents")).json()
        assert [each["url"] for each in recents["repositories"]] == [f"{REPOSITORY}-{number}"]
        assert len(recents["models"]) == 1


def used(repository, branch="", model="", hours=0):
    return UsedChoices(repository, branch, model, NOON - timedelta(hours=hours))


def test_each_repository_comes_once_with_its_branches_the_last_used_first():
    recents = recents_of(
        [
            used("b", "main", "opus", 0),
            used("a", "", "opus", 1),
            used("b", "next", "sonnet", 2),
            used("b", "main", "", 3),
            used("a", "dev", "haiku", 4),
        ]
    )
    found = [(each.url, each.branches, each.used_at) for each in recents.repositories]
    assert found == [
        ("b", ("main", "next"), NOON),
        ("a", ("dev",), NOON - timedelta(hours=1)),
    ]
    assert recents.models == ("opus", "sonnet", "haiku")


def test_the_latest_choices_are_few_however_many_there_were():
    recents = recents_of(used("a", f"b{n}", f"m{n}") for n in range(99))
    assert [len(each.branches) for each in recents.repositories] == [MAX_BRANCHES]
    assert recents.models == ("m0", "m1", "m2", "m3", "m4")
