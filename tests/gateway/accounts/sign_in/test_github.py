"""Signing in with GitHub and linking it, against the forge that stands in for it."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from services.gateway.accounts.sign_in.github_client import search_terms
from tests.gateway.kit.github_sign_in import app_at, came_back, consented, departed, is_trouble
from tests.gateway.kit.members import joined
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.accounts_rows import dump, execute
from tests.kit.run.gateway import a_world


@pytest.fixture
async def world(servers, fresh_database, forge):
    async with a_world(servers, fresh_database, **app_at(forge)) as made:
        yield made


async def signed_in(world, answer):
    assert answer.status_code == 303, answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    page, _, code = answer.headers["location"].partition("#")
    assert page == "/pair"
    nobody = await world.client()
    return (await nobody.post("/v1/sessions", json={"code": code})).json()


async def test_a_linked_person_signs_in_with_github(world, ada, fresh_database):
    linked = await came_back(world, person=ada)
    assert (linked.status_code, linked.headers["location"]) == (303, "/pair#")
    session = await signed_in(world, await came_back(world))
    assert session["person"] == ada.session["person"]
    assert session["session"] != ada.session["session"]
    assert "gho_" not in await dump(fresh_database)


async def test_somebody_unknown_is_told_how_to_come_in(world):
    answer = await came_back(world, login="mallory")
    is_trouble(answer, 403, "Nobody here is linked to mallory")


async def test_an_open_installation_makes_an_account_for_who_is_new(servers, fresh_database, forge):
    async with a_world(servers, fresh_database, **app_at(forge, sign_up="open")) as world:
        home = await world.person("grace")  # an account of that name is not taken over
        first = await signed_in(world, await came_back(world, login="grace"))
        again = await signed_in(world, await came_back(world, login="grace"))
        assert first["role"] == "owner"
        assert first["account"] == again["account"] != home.session["account"]


async def test_an_identity_belongs_to_one_person(world, ada, bob):
    await came_back(world, person=ada)
    is_trouble(await came_back(world, person=bob), 409, "linked to somebody else")
    is_trouble(await came_back(world, person=ada, login="another"), 409, "another account")
    assert (await ada.http.delete("/v1/oauth/github")).status_code == 204
    is_problem(await ada.http.delete("/v1/oauth/github"), 404, "not_found")
    assert (await came_back(world, person=bob)).status_code == 303


async def test_whoever_was_removed_is_not_let_in_by_github(world, ada):
    bea = await joined(world, ada)
    await came_back(world, person=bea, login="bea")
    await ada.http.delete(f"/v1/members/{bea.session['person']}")
    is_trouble(await came_back(world, login="bea"), 403, "Nobody here")


async def test_a_link_begun_by_someone_removed_since_is_not_made(world, ada):
    bea = await joined(world, ada)
    back = await consented(bea.http, await departed(bea.http), login="bea")
    await ada.http.delete(f"/v1/members/{bea.session['person']}")
    is_trouble(await bea.http.get(back), 409, "somebody else")


async def test_an_answer_is_good_in_the_browser_that_began_and_nowhere_else(world, ada):
    url = await departed(ada.http)
    back = await consented(ada.http, url)
    stranger = await world.client()
    is_trouble(await stranger.get(back), 403, "no sign-in that this browser began")
    # Whoever tried used it up: not even the right browser may go on now.
    is_trouble(await ada.http.get(back), 403, "no sign-in that this browser began")


async def test_the_browsers_own_other_attempt_does_not_fit_either(world, ada):
    first = await consented(ada.http, await departed(ada.http))
    await departed(ada.http)  # its cookie replaces the first one's
    is_trouble(await ada.http.get(first), 403, "no sign-in")


async def test_an_answer_is_good_once(world, ada):
    browser = await world.client()
    await came_back(world, person=ada)
    back = await consented(browser, await departed(browser))
    cookie = browser.cookies["errand-oauth"]
    assert (await browser.get(back)).status_code == 303
    browser.cookies.set("errand-oauth", cookie)
    is_trouble(await browser.get(back), 403, "no sign-in")


def altered(back, **changes):
    url = urlsplit(back)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    return url._replace(query=urlencode({**query, **changes})).geturl()


async def test_a_state_or_issuer_of_another_is_refused(world, ada):
    for changes in ({"state": "other"}, {"state": ""}, {"iss": "https://evil.example"}):
        back = await consented(ada.http, await departed(ada.http))
        is_trouble(await ada.http.get(altered(back, **changes)), 403, "no sign-in")


async def test_the_right_issuer_may_say_its_name(world, ada, forge):
    back = await consented(ada.http, await departed(ada.http))
    answer = await ada.http.get(altered(back, iss=f"{forge.url}/login/oauth"))
    assert answer.status_code == 303


async def test_a_state_sent_twice_is_refused(world, ada):
    back = await consented(ada.http, await departed(ada.http))
    state = parse_qs(urlsplit(back).query)["state"][0]
    answer = await ada.http.get(f"{back}&state={state}")
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_repeated")


async def test_an_attempt_dies_after_ten_minutes(world, ada, fresh_database):
    back = await consented(ada.http, await departed(ada.http))
    await execute(
        fresh_database, "UPDATE accounts.oauth_attempt SET expires_at = now() - interval '1 s'"
    )
    is_trouble(await ada.http.get(back), 403, "no sign-in")


async def test_a_code_of_another_attempt_does_not_pass_the_proof(world, ada):
    stolen = await consented(ada.http, await departed(ada.http))
    mine = await consented(ada.http, await departed(ada.http))
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    is_trouble(await ada.http.get(altered(mine, code=code)), 403, "did not take the code")


async def test_a_no_is_told_in_words(world, ada):
    back = await consented(ada.http, await departed(ada.http), authorize="0")
    is_trouble(await ada.http.get(back), 403, "was not allowed")


async def test_a_github_that_is_away_is_told_and_nothing_is_linked(world, ada, forge):
    back = await consented(ada.http, await departed(ada.http))
    forge.order("fail", path="/login/oauth/access_token", status=502)
    is_trouble(await ada.http.get(back), 503, "GitHub answered 502")
    is_problem(await ada.http.get("/v1/repositories"), 409, "github_not_linked")


async def test_without_an_app_it_is_said_plainly(servers, fresh_database):
    async with a_world(servers, fresh_database) as world:
        nobody = await world.client()
        told = is_problem(await nobody.post("/v1/oauth/github"), 409, "github_off")
        assert "GITHUB_CLIENT_ID" in told["detail"]
        assert (await nobody.get("/v1/about")).json()["sign_in_methods"] == ["code"]


async def test_a_wrong_token_does_not_begin_a_sign_in(world):
    stranger = await world.client("errand_wrong")
    is_problem(await stranger.post("/v1/oauth/github"), 401, "unauthenticated")


async def test_a_persons_repositories_are_listed_and_searched(world, ada, bob, forge):
    for name in ("errand-web", "errand-worker", "notes"):
        forge.create(name)
    await came_back(world, person=ada)
    await came_back(world, person=bob, login="bob")

    async def found(person, **query):
        answer = await person.http.get("/v1/repositories", params=query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return [line["full_name"] for line in body["data"]], body["next"]

    names, _ = await found(ada)
    assert set(names) == {"errand/errand-web", "errand/errand-worker", "errand/notes"}
    assert await found(ada, query="WORKER") == (["errand/errand-worker"], None)
    assert await found(ada, query="errand/note") == (["errand/notes"], None)
    assert await found(ada, query="nobody/note") == ([], None)
    first, after = await found(ada, limit=2)
    rest, end = await found(ada, limit=2, after=after)
    assert (len(first), len(rest), end) == (2, 1, None)
    assert await found(bob) == ([], None)
    assert await found(bob, query="errand/notes") == ([], None)
    is_problem(await ada.http.get("/v1/repositories?after=x"), 422, "after_refused")


async def test_a_link_that_github_ended_asks_to_be_made_again(world, ada, forge):
    await came_back(world, person=ada)
    forge.order("fail", path="/user/repos", status=401)
    is_problem(await ada.http.get("/v1/repositories"), 409, "github_not_linked")


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("web app", "web app in:name fork:true user:@me"),
        ("ada/web", "web in:name fork:true user:ada"),
        ("user:torvalds linux", "user torvalds linux in:name fork:true user:@me"),
        ('"; is:private', "is private in:name fork:true user:@me"),
        ("ada/", "in:name fork:true user:ada"),
    ],
)
def test_words_cannot_become_qualifiers(query, terms):
    assert search_terms(query) == terms
