"""A browser's session is in cookies that no script can read, and other pages cannot use them."""

import json
from datetime import datetime, timedelta
from http.cookies import SimpleCookie

import pytest
from websockets.asyncio.client import connect

from infra.runtime.clock import utc_now
from services.gateway.http.browser.same_origin import is_same_origin
from services.gateway.http.browser.session_cookies import session_cookies
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.accounts_rows import dump, execute
from tests.kit.run.gateway import SetClock, a_world

OWN = "https://errand.example.com"
ALSO = "http://127.0.0.1:8080"


async def a_browser(world, *, origin=None):
    """A client that keeps cookies and says where its page is from, as a browser does."""
    client = await world.client()
    client.headers["Origin"] = origin or world.url
    client.headers["Sec-Fetch-Site"] = "same-origin"
    return client


async def signed_in(world, account="ada"):
    browser = await a_browser(world)
    answer = await browser.post("/v1/sessions", json=await a_sign_in(world, account))
    assert answer.status_code == 201, answer.text
    return browser, answer


async def a_sign_in(world, account="ada"):
    return {"code": await world.pairing(account), "transport": "cookie"}


def set_cookies(answer):
    """The cookies an answer sets, by name."""
    jar = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        jar.load(line)
    return dict(jar)


def cookie(client, part):
    [found] = [each for each in client.cookies.jar if part in each.name]
    return found.value


async def test_a_browser_signs_in_and_no_script_sees_a_token(world):
    browser, answer = await signed_in(world)
    assert "errand_" not in answer.text
    told = answer.json()
    assert told == (await browser.get("/v1/me")).json()
    assert set(told) == {"account", "person", "session", "role", "scopes", "expires_at"}
    left = datetime.fromisoformat(told["expires_at"]) - utc_now()
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    cookies = set_cookies(answer)
    assert len(cookies) == 2
    for each in cookies.values():
        assert each["httponly"]
        assert each["samesite"].lower() == "strict"
        assert each["path"] == "/"
        assert not each["domain"]
    ages = sorted(int(each["max-age"]) for each in cookies.values())
    assert ages == [600, 60 * 24 * 3600]


def test_over_https_the_cookies_are_secure_and_of_this_very_host():
    https = session_cookies("https://errand.example.com")
    assert (https.access, https.refresh) == ("__Host-errand-session", "__Host-errand-refresh")
    assert all(each.secure for each in https.cleared())
    http = session_cookies("http://127.0.0.1:8080")
    assert (http.access, http.refresh) == ("errand-session-8080", "errand-refresh-8080")
    assert not any(each.secure for each in http.cleared())


async def test_the_session_goes_on_by_its_cookies_alone(world):
    browser, first = await signed_in(world)
    before = cookie(browser, "session"), cookie(browser, "refresh")
    answer = await browser.post("/v1/sessions/refresh")
    assert answer.status_code == 200, answer.text
    assert "errand_" not in answer.text
    for same in ("session", "account", "person", "role", "scopes"):
        assert answer.json()[same] == first.json()[same]
    assert (cookie(browser, "session"), cookie(browser, "refresh")) != before
    assert (await browser.get("/v1/me")).json() == answer.json()


async def test_a_stolen_access_cookie_ends_with_its_ten_minutes(servers, fresh_database):
    clock = SetClock()
    async with a_world(servers, fresh_database, clock) as world:
        browser, _ = await signed_in(world)
        thief = await a_browser(world)
        thief.cookies.update({browser_name(browser): cookie(browser, "session")})
        assert (await thief.get("/v1/me")).status_code == 200
        clock.move(601)
        is_problem(await thief.get("/v1/me"), 401, "unauthenticated")
        is_problem(await thief.post("/v1/sessions/refresh"), 401, "unauthenticated")
        assert (await browser.post("/v1/sessions/refresh")).status_code == 200
        assert (await browser.get("/v1/me")).status_code == 200


def browser_name(client):
    [found] = [each for each in client.cookies.jar if "session" in each.name]
    return found.name


async def test_a_stolen_refresh_cookie_that_is_used_ends_the_session_for_both(
    world, fresh_database
):
    browser, _ = await signed_in(world)
    stolen = cookie(browser, "refresh")
    assert (await browser.post("/v1/sessions/refresh")).status_code == 200
    assert (await browser.get("/v1/me")).status_code == 200
    await execute(
        fresh_database, "UPDATE accounts.refresh_token SET used_at = used_at - interval '31 s'"
    )
    thief = await a_browser(world)
    [name] = [each.name for each in browser.cookies.jar if "refresh" in each.name]
    thief.cookies.update({name: stolen})
    is_problem(await thief.post("/v1/sessions/refresh"), 401, "session_ended")
    is_problem(await browser.get("/v1/me"), 401, "unauthenticated")
    is_problem(await browser.post("/v1/sessions/refresh"), 401, "session_ended")


async def test_signing_out_takes_the_cookies_away_and_ends_the_session(world):
    browser, told = await signed_in(world)
    kept = cookie(browser, "session")
    name = browser_name(browser)
    answer = await browser.delete(f"/v1/sessions/{told.json()['session']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert {each["max-age"] for each in set_cookies(answer).values()} == {"0"}
    assert not list(browser.cookies.jar)
    browser.cookies.update({name: kept})
    is_problem(await browser.get("/v1/me"), 401, "unauthenticated")


async def test_signing_another_device_out_leaves_this_browser_signed_in(world):
    browser, _ = await signed_in(world)
    other, told = await signed_in(world)
    answer = await browser.delete(f"/v1/sessions/{told.json()['session']}")
    assert not set_cookies(answer)
    assert (await browser.get("/v1/me")).status_code == 200
    is_problem(await other.get("/v1/me"), 401, "unauthenticated")


FOREIGN = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "another site, in a browser without fetch metadata": {"Origin": "https://evil.example"},
    "a sandboxed frame": {"Origin": "null"},
    "another port of this machine": {"Origin": "http://127.0.0.1:9", "Sec-Fetch-Site": "same-site"},
    "another port, without fetch metadata": {"Origin": "http://127.0.0.1:9"},
    "a name pointed at this server": {"Origin": "http://evil.example", "Host": "evil.example"},
    "a page that is not named": {},
    "the address bar": {"Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_no_other_page_changes_anything_with_the_cookie(world, headers):
    browser, told = await signed_in(world)
    foreign = await world.client()
    foreign.cookies = browser.cookies
    session = told.json()["session"]
    key = {"Idempotency-Key": "0199d6ac-7f1c-7000-8000-000000000000"}
    for method, path, body in [
        ("POST", "/v1/tasks", {"prompt": "x", "repository": {"url": "https://github.com/a/b"}}),
        ("POST", "/v1/pairings", None),
        ("POST", "/v1/stream/tickets", None),
        ("POST", "/v1/sessions/refresh", None),
        ("POST", "/v1/keys", {"name": "robot"}),
        ("DELETE", f"/v1/sessions/{session}", None),
        ("POST", "/v1/sessions", await a_sign_in(world, "mallory")),
    ]:
        answer = await foreign.request(method, path, json=body, headers={**headers, **key})
        is_problem(answer, 403, "cross_origin")
        assert "set-cookie" not in answer.headers
    assert (await browser.get("/v1/me")).json()["session"] == session


async def test_a_form_of_another_page_does_nothing(world, fresh_database):
    browser, _ = await signed_in(world)
    before = await dump(fresh_database)
    foreign = await world.client()
    foreign.cookies = browser.cookies
    for media_type in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        headers = {"Origin": "https://evil.example", "Content-Type": media_type}
        answer = await foreign.post("/v1/keys", content=b'{"name":"robot"}', headers=headers)
        is_problem(answer, 403, "cross_origin")
    assert (await dump(fresh_database)) == before


async def test_no_other_page_reads_with_the_cookie(world):
    browser, _ = await signed_in(world)
    foreign = await world.client()
    foreign.cookies = browser.cookies
    for name, headers in FOREIGN.items():
        answer = await foreign.get("/v1/me", headers=headers)
        if name in ("a page that is not named", "the address bar"):
            assert answer.status_code == 200  # what no page made
        else:
            is_problem(answer, 403, "cross_origin")


async def test_a_token_in_the_header_is_taken_from_anywhere_as_before(world, ada):
    browser, _ = await signed_in(world, "bob")
    ada.http.cookies = browser.cookies
    for headers in FOREIGN.values():
        answer = await ada.http.post("/v1/stream/tickets", headers=headers)
        assert answer.status_code == 201, answer.text
    assert (await ada.http.get("/v1/me")).json()["person"] == ada.session["person"]
    ada.http.headers["Authorization"] = "Basic YTpi"  # whoever says something else has no cookie
    is_problem(await ada.http.get("/v1/me"), 401, "unauthenticated")


async def test_an_address_beside_the_public_one_must_be_listed_and_be_the_one_asked(
    servers, fresh_database
):
    async with a_world(servers, fresh_database, public_url=OWN) as world:
        browser = await a_browser(world)
        answer = await browser.post("/v1/sessions", json=await a_sign_in(world))
        told = is_problem(answer, 403, "cross_origin")
        assert "https://errand.example.com" in told["detail"]
        assert "ALLOWED_ORIGINS" in told["detail"]


@pytest.mark.parametrize(
    ("headers", "is_read", "expected"),
    [
        ({"origin": OWN, "sec-fetch-site": "same-origin"}, False, True),
        ({"origin": OWN}, False, True),
        ({"origin": OWN, "host": "127.0.0.1:9"}, False, True),  # behind a proxy
        ({"origin": OWN, "sec-fetch-site": "cross-site"}, False, False),
        ({"origin": ALSO, "host": "127.0.0.1:8080"}, False, True),
        ({"origin": ALSO, "host": "errand.example.com"}, False, False),
        ({"origin": ALSO}, False, False),
        ({"origin": "https://errand.example.com.evil.example"}, False, False),
        ({"origin": "http://errand.example.com"}, False, False),
        ({"origin": "null"}, True, False),
        ({"sec-fetch-site": "same-origin"}, False, True),
        ({"sec-fetch-site": "same-site"}, True, False),
        ({"sec-fetch-site": "none"}, False, False),
        ({"sec-fetch-site": "none"}, True, True),
        ({}, True, True),
        ({}, False, False),
    ],
)
def test_a_request_is_of_the_apps_own_page_or_it_is_not(headers, is_read, expected):
    assert is_same_origin(headers, own=[OWN], also=[OWN, ALSO], is_read=is_read) is expected


async def test_a_browser_enters_the_stream_by_ticket_and_stays_by_another(world):
    browser, _ = await signed_in(world)
    url = world.url.replace("http", "ws") + "/v1/stream"

    async def ticket():
        return (await browser.post("/v1/stream/tickets")).json()["ticket"]

    async with connect(url, origin=world.url, proxy=None) as stream:
        hello = {"t": "hello", "v": 1, "ticket": await ticket(), "device": {"id": "web"}}
        await stream.send(json.dumps(hello))
        [welcome] = json.loads(await stream.recv())
        assert welcome["t"] == "welcome"
        again = await ticket()
        await stream.send(json.dumps({"t": "auth", "ticket": again}))
        assert json.loads(await stream.recv())[0]["t"] == "welcome"
        await stream.send(json.dumps({"t": "auth", "ticket": again}))  # good once
        assert json.loads(await stream.recv())[0]["t"] == "bye"
