"""OAuth at the local forge: as strict as GitHub is."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from infra.simulators.github.oauth.grants import App, OAuth, OAuthError, is_callback
from tests.kit.servers.forge import CALLBACK, OAUTH_CLIENT, OAUTH_SECRET, LocalForge

HERE = f"http://127.0.0.1:4711{CALLBACK}"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
ASKED = {
    "client_id": OAUTH_CLIENT,
    "redirect_uri": HERE,
    "scope": "repo read:user",
    "state": "st&te",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
FORM = {
    "client_id": OAUTH_CLIENT,
    "client_secret": OAUTH_SECRET,
    "redirect_uri": HERE,
    "code_verifier": VERIFIER,
}


@pytest.fixture
def browser(forge: LocalForge):
    with httpx.Client(base_url=forge.url, timeout=30, trust_env=False) as client:
        yield client


def decided(browser, *, login="errand", authorize="1", **changes):
    form = {**ASKED, **changes, "login": login, "authorize": authorize}
    answer = browser.post("/login/oauth/authorize", data=form)
    assert answer.status_code == 302, answer.text
    url = urlsplit(answer.headers["location"])
    told = {name: values[0] for name, values in parse_qs(url.query).items()}
    return url._replace(query="").geturl(), told


def exchanged(browser, code, **changes):
    form = {**FORM, "code": code, **changes}
    headers = {"Accept": "application/json"}
    answer = browser.post("/login/oauth/access_token", data=form, headers=headers)
    assert answer.status_code == 200
    return answer.json()


def token(browser, **more):
    return exchanged(browser, decided(browser, **more)[1]["code"])["access_token"]


def api(forge, bearer):
    return forge.client(bearer)


def test_a_person_says_yes_and_the_code_becomes_a_token(browser, forge):
    page = browser.get("/login/oauth/authorize", params=ASKED)
    assert page.status_code == 200
    assert 'value="st&amp;te"' in page.text
    assert f"form-action 'self' {HERE};" in page.headers["content-security-policy"]
    back, told = decided(browser)
    assert back == HERE
    assert told["state"] == "st&te"
    given = exchanged(browser, told["code"])
    assert given["token_type"] == "bearer"
    assert given["scope"] == "repo,read:user"
    with api(forge, given["access_token"]) as client:
        assert client.get("/user").json()["login"] == "errand"


def test_a_code_is_good_once(browser):
    code = decided(browser)[1]["code"]
    assert "access_token" in exchanged(browser, code)
    assert exchanged(browser, code)["error"] == "bad_verification_code"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "wrong"}, "incorrect_client_credentials"),
        ({"client_id": "other"}, "incorrect_client_credentials"),
        ({"code": "other"}, "bad_verification_code"),
        ({"code_verifier": "w" * 43}, "bad_verification_code"),
        ({"code_verifier": ""}, "bad_verification_code"),
        ({"redirect_uri": HERE + "/x"}, "redirect_uri_mismatch"),
    ],
)
def test_an_exchange_that_does_not_fit_is_refused(browser, changes, error):
    code = decided(browser)[1]["code"]
    assert exchanged(browser, **{"code": code, **changes})["error"] == error


def test_a_no_is_told_at_the_callback(browser):
    back, told = decided(browser, authorize="0")
    assert (back, told["error"], told["state"]) == (HERE, "access_denied", "st&te")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.example/callback"}, "redirect_uri_mismatch"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
    ],
)
def test_a_wrong_request_is_told_at_the_registered_callback_only(browser, changes, error):
    answer = browser.get("/login/oauth/authorize", params={**ASKED, **changes})
    assert answer.status_code == 302
    url = urlsplit(answer.headers["location"])
    assert (url.hostname, url.path) == ("127.0.0.1", CALLBACK)
    assert parse_qs(url.query)["error"] == [error]


def test_an_unknown_app_gets_a_page_and_nothing_else(browser):
    asked = {**ASKED, "client_id": "other"}
    assert browser.get("/login/oauth/authorize", params=asked).status_code == 404
    assert browser.post("/login/oauth/authorize", data=asked).status_code == 404
    assert browser.get("/login/oauth/access_token").status_code == 404


def test_a_form_is_answered_with_a_form(browser):
    form = {**FORM, "code": decided(browser)[1]["code"]}
    answer = browser.post("/login/oauth/access_token", data=form)
    assert answer.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert parse_qs(answer.text)["token_type"] == ["bearer"]


def test_the_owners_token_sees_what_is_private_and_a_guests_does_not(browser, forge):
    forge.create("hidden", private=True)
    forge.create("shown", private=False)
    for login, scope, expected in [
        ("errand", "repo", {"hidden", "shown"}),
        ("errand", "read:user", {"shown"}),
        ("ada", "repo", set()),
    ]:
        with api(forge, token(browser, login=login, scope=scope)) as client:
            assert client.get("/user").json()["login"] == login
            mine = {found["name"] for found in client.get("/user/repos").json()}
            assert mine == expected, (login, scope)
            seen = client.get("/repos/errand/hidden").status_code
            assert seen == (200 if "hidden" in expected else 404)
    with api(forge, token(browser, login="ada")) as client:
        assert client.post("/user/repos", json={"name": "x"}).status_code == 403
    assert httpx.get(f"{forge.api_url}/user/repos").status_code == 401


def test_repositories_are_searched_by_words_and_owner(browser, forge):
    for name in ("errand-web", "errand-worker", "notes"):
        forge.create(name, private=name == "notes")

    def found(query, bearer):
        with api(forge, bearer) as client:
            answer = client.get("/search/repositories", params={"q": query})
            assert answer.status_code == 200, answer.text
            body = answer.json()
        assert body["total_count"] == len(body["items"])
        return {item["name"] for item in body["items"]}

    mine, adas = token(browser), token(browser, login="ada")
    assert found("ERRAND in:name fork:true user:@me", mine) == {"errand-web", "errand-worker"}
    assert found("errand work user:errand", mine) == {"errand-worker"}
    assert found("notes user:errand", mine) == {"notes"}
    assert found("notes user:errand", adas) == set()
    with api(forge, mine) as client:
        for query in ("", "x user:nobody"):
            answer = client.get("/search/repositories", params={"q": query})
            assert (answer.status_code, answer.json()["message"]) == (422, "Validation Failed")


def test_a_code_dies_after_ten_minutes_and_tokens_outlive_a_restart(tmp_path: Path):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    app = App(OAUTH_CLIENT, OAUTH_SECRET, HERE)
    oauth = OAuth(tmp_path, app, lambda: now)

    def code():
        return parse_qs(urlsplit(oauth.accept(ASKED, "ada")).query)["code"][0]

    late, fresh = code(), code()
    given = oauth.exchange({**FORM, "code": fresh})["access_token"]
    now += timedelta(minutes=10)
    with pytest.raises(OAuthError, match="expired"):
        oauth.exchange({**FORM, "code": late})
    again = OAuth(tmp_path, app, lambda: now).granted(f"Bearer {given}")
    assert again is not None
    assert again.login == "ada"
    assert given not in (tmp_path / "oauth.json").read_text()


@pytest.mark.parametrize(
    ("url", "registered", "is_same"),
    [
        ("http://127.0.0.1:99/cb", "http://127.0.0.1/cb", True),
        ("http://localhost:99/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:99/cb/x", "http://127.0.0.1/cb", False),
        ("https://e.example/cb", "https://e.example/cb", True),
        ("https://e.example:444/cb", "https://e.example/cb", False),
        ("https://e.example/cb?x", "https://e.example/cb", False),
        ("http://x@127.0.0.1/cb", "http://127.0.0.1/cb", False),
        ("", "", False),
    ],
)
def test_a_callback_is_the_registered_one(url, registered, is_same):
    assert is_callback(url, registered) is is_same
