"""Entering the stream: tickets, which work once, and the origins of pages."""

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from infra.runtime.clock import utc_now
from services.gateway.accounts.authentication import Authenticator
from services.gateway.accounts.session_cache import SessionCache
from services.gateway.accounts.token_signing import TokenSigner
from services.gateway.accounts.tokens import Digests
from services.gateway.http.browser.allowed_origins import origin_allowed, origins
from services.gateway.stores.database import create_pool
from tests.gateway.kit.problems import is_problem
from tests.kit.run.gateway import CLAIM_SECRET


@pytest.fixture
async def people(world, fresh_database):
    """The people as the stream reads them, in another process of the same installation."""
    async with create_pool(fresh_database) as pool:
        secrets = ["account-secret-for-tests"]
        yield Authenticator(
            pool,
            recall=None,
            digests=Digests(CLAIM_SECRET),
            signing=TokenSigner(secrets, issuer=world.url, entropy=bytes),
            session_cache=SessionCache(utc_now),
            clock=utc_now,
        )


async def ticket_of(client):
    answer = await client.post("/v1/stream/tickets")
    assert answer.status_code == 201, answer.text
    return answer.json()["ticket"]


async def test_a_ticket_lets_its_person_in_once(people, ada):
    ticket = await ticket_of(ada.http)
    principal = await people.enter(ticket)
    assert principal is not None
    assert (principal.person, principal.session) == (ada.session["person"], ada.session["session"])
    assert principal.expires_at.isoformat() == ada.session["expires_at"].replace("Z", "+00:00")
    assert await people.enter(ticket) is None


async def test_a_ticket_says_whose_it_is(world, ada, bob):
    for person in (ada, bob):
        answer = (await person.http.post("/v1/stream/tickets")).json()
        assert answer["person"] == person.session["person"]


async def test_a_ticket_opens_nothing_else_and_nothing_else_is_a_ticket(world, people, ada):
    ticket = await ticket_of(ada.http)
    is_problem(await (await world.client(ticket)).get("/v1/me"), 401, "unauthenticated")
    assert await people.authenticate(ticket) is None
    key = (await ada.http.post("/v1/keys", json={"name": "robot"})).json()["token"]
    for other in (ada.token, ada.session["refresh_token"], key, "", "x"):
        assert await people.enter(other) is None
    assert await people.enter(ticket) is not None


async def test_a_ticket_of_an_ended_session_lets_nobody_in(people, ada):
    ticket = await ticket_of(ada.http)
    await ada.http.delete(f"/v1/sessions/{ada.session['session']}")
    assert await people.enter(ticket) is None


async def test_a_keys_ticket_has_the_keys_scopes(world, people, ada):
    payload = {"name": "robot", "scopes": ["read"]}
    key = (await ada.http.post("/v1/keys", json=payload)).json()
    robot = await world.client(key["token"])
    principal = await people.enter(await ticket_of(robot))
    assert principal is not None
    assert (principal.session, principal.scopes) == (key["key"], {"read"})
    unused = await ticket_of(robot)
    await ada.http.delete(f"/v1/keys/{key['key']}")
    assert await people.enter(unused) is None


async def test_a_key_that_may_not_read_gets_no_ticket(world, ada):
    payload = {"name": "robot", "scopes": ["write"]}
    key = (await ada.http.post("/v1/keys", json=payload)).json()["token"]
    answer = await (await world.client(key)).post("/v1/stream/tickets")
    is_problem(answer, 403, "scope_missing")


async def can_connect(world, origin):
    url = world.url.replace("http", "ws") + "/v1/stream"
    try:
        async with connect(url, origin=Origin(origin) if origin else None):
            return True
    except InvalidStatus as refusal:
        return refusal.response.status_code != 403


async def test_only_the_installations_own_pages_and_native_clients_may_connect(world):
    assert await can_connect(world, world.url)
    assert await can_connect(world, None)
    for origin in ("https://evil.example", "null", world.url + ".evil.example", "http://127.0.0.1"):
        assert not await can_connect(world, origin)


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (None, True),
        ("https://errand.example", True),
        ("HTTPS://Errand.Example:443", True),
        ("https://app.example:8443", True),
        ("https://app.example", False),
        ("http://errand.example", False),
        ("https://errand.example.evil", False),
        ("https://errand.example:444", False),
        ("https://user@errand.example", False),
        ("null", False),
        ("", False),
        ("https://", False),
        ("https://errand.example:x", False),
    ],
)
def test_an_origin_is_compared_whole(origin, is_allowed):
    allowed = origins("https://errand.example/", "https://app.example:8443, ,ftp://x")
    assert origin_allowed(origin, allowed) is is_allowed


def test_an_installation_on_this_machine_has_every_name_of_it():
    allowed = origins("http://127.0.0.1:8080")
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert origin_allowed(f"http://{name}:8080", allowed)
        assert not origin_allowed(f"http://{name}:8081", allowed)
