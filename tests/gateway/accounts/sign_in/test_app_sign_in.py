"""Signing an installed app in with GitHub, by another browser with which it shares no cookies."""

import pytest

from tests.gateway.kit.github_sign_in import app_at, came_back, consented, is_trouble
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.accounts_rows import dump, execute
from tests.kit.run.gateway import a_world

ROUTE = "/v1/oauth/github/app"


@pytest.fixture
async def world(servers, fresh_database, forge):
    async with a_world(servers, fresh_database, **app_at(forge)) as made:
        yield made


class App:
    """An installed app: what it was offered, and its own requests."""

    def __init__(self, world, client, offer):
        self.world, self.client, self.offer = world, client, offer

    async def result(self):
        return await self.client.post(f"{ROUTE}/result", json={"secret": self.offer["secret"]})

    async def returned(self, login="errand"):
        """Go to GitHub and back in a browser of its own; return that and its confirmation."""
        browser = await self.world.client()
        back = await browser.get(await consented(browser, self.offer["url"], login=login))
        assert back.status_code == 303, back.text
        page, _, confirmation = back.headers["location"].partition("#")
        assert page == "/sign-in/github"
        return browser, confirmation


async def begun(world):
    client = await world.client()
    answer = await client.post(ROUTE)
    assert answer.status_code == 201, answer.text
    assert "set-cookie" not in answer.headers
    return App(world, client, answer.json())


async def confirmed(browser, confirmation, code):
    body = {"confirmation": confirmation, "code": code}
    return await browser.post(f"{ROUTE}/confirmation", json=body)


async def is_waiting(app):
    answer = await app.result()
    return (answer.status_code, answer.json()) == (200, {"code": None})


async def test_an_app_signs_in_by_another_browser_once_its_code_was_typed_there(
    world, ada, fresh_database
):
    await came_back(world, person=ada)
    app = await begun(world)
    assert len(app.offer["code"]) == 4
    assert await is_waiting(app)
    browser, confirmation = await app.returned()
    assert await is_waiting(app)  # the person may have followed somebody else's address
    stored = await dump(fresh_database)
    for secret in (app.offer["secret"], app.offer["code"], confirmation):
        assert f"'{secret}'" not in stored
    typed = app.offer["code"].lower() + " "
    assert (await confirmed(browser, confirmation, typed)).status_code == 204
    answer = await app.result()
    body = {"code": answer.json()["code"], "transport": "cookie"}
    origin = {"Origin": world.url}
    session = await app.client.post("/v1/sessions", json=body, headers=origin)
    assert session.json()["person"] == ada.session["person"]
    assert (await app.client.get("/v1/me")).json() == session.json()
    is_problem(await app.result(), 403, "sign_in_ended")


async def test_three_wrong_codes_end_the_sign_in(world, ada):
    await came_back(world, person=ada)
    app = await begun(world)
    browser, confirmation = await app.returned()
    for code in ("0000", "1111"):
        is_problem(await confirmed(browser, confirmation, code), 403, "code_refused")
    is_problem(await confirmed(browser, confirmation, "2222"), 403, "sign_in_ended")
    right = await confirmed(browser, confirmation, app.offer["code"])
    is_problem(right, 403, "sign_in_ended")
    is_problem(await app.result(), 403, "sign_in_ended")


async def test_neither_half_is_worth_anything_without_the_other(world, ada):
    await came_back(world, person=ada)
    app, other = await begun(world), await begun(world)
    browser, confirmation = await app.returned()
    for wrong in ("", "x", other.offer["secret"], app.offer["secret"]):
        is_problem(await confirmed(browser, wrong, app.offer["code"]), 403, "sign_in_ended")
    stranger = await world.client()
    for wrong in ("", confirmation, app.offer["code"]):
        answer = await stranger.post(f"{ROUTE}/result", json={"secret": wrong})
        is_problem(answer, 403, "sign_in_ended")
    assert (await confirmed(browser, confirmation, app.offer["code"])).status_code == 204
    again = await confirmed(browser, confirmation, app.offer["code"])
    is_problem(again, 403, "sign_in_ended")
    assert await is_waiting(other)


async def test_an_answer_of_github_is_good_once_for_an_app_too(world, ada):
    await came_back(world, person=ada)
    app = await begun(world)
    browser = await world.client()
    back = await consented(browser, app.offer["url"])
    assert (await browser.get(back)).status_code == 303
    is_trouble(await browser.get(back), 403, "no sign-in")


async def test_whoever_is_unknown_at_github_does_not_sign_an_app_in(world):
    app = await begun(world)
    browser = await world.client()
    back = await consented(browser, app.offer["url"], login="mallory")
    is_trouble(await browser.get(back), 403, "Nobody here is linked to mallory")
    assert await is_waiting(app)


async def test_the_sign_in_of_an_app_dies_after_ten_minutes(world, ada, fresh_database):
    await came_back(world, person=ada)
    app = await begun(world)
    browser, confirmation = await app.returned()
    await execute(
        fresh_database, "UPDATE accounts.app_sign_in SET expires_at = now() - interval '1 s'"
    )
    late = await confirmed(browser, confirmation, app.offer["code"])
    is_problem(late, 403, "sign_in_ended")
    is_problem(await app.result(), 403, "sign_in_ended")


async def test_without_an_app_at_github_nothing_begins(servers, fresh_database):
    async with a_world(servers, fresh_database) as world:
        is_problem(await (await world.client()).post(ROUTE), 409, "github_off")
