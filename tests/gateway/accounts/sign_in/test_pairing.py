"""Signing in, over real HTTP."""

import asyncio
from collections import Counter

import asyncpg
import pytest

from services.gateway.accounts.tokens import Digests, new_code, new_token, plain_code
from tests.gateway.kit.problems import is_problem
from tests.kit.run.gateway import OPERATOR, SetClock, a_world


@pytest.fixture
async def still(servers, fresh_database):
    """A world whose clock stands: tries are counted by the minute."""
    async with a_world(servers, fresh_database, SetClock()) as made:
        yield made


async def test_a_device_is_paired_and_signed_in_and_out(world):
    operator, nobody = await world.client(OPERATOR), await world.client()
    offer = (await operator.post("/v1/pairings", json={})).json()
    assert offer["url"] == f"{world.url}/pair#{offer['code']}"
    signed = (await nobody.post("/v1/sessions", json={"code": offer["code"]})).json()
    phone = await world.client(signed["token"])
    me = (await phone.get("/v1/me")).json()
    assert me.items() >= {key: signed[key] for key in ("account", "person", "session")}.items()
    assert (me["role"], me["scopes"]) == ("owner", ["admin", "approve", "read", "write"])
    assert (await phone.delete(f"/v1/sessions/{signed['session']}")).status_code == 204
    is_problem(await phone.get("/v1/me"), 401, "unauthenticated")


async def test_a_code_works_once(world):
    code, nobody = await world.pairing("home"), await world.client()
    assert (await nobody.post("/v1/sessions", json={"code": code})).status_code == 201
    is_problem(await nobody.post("/v1/sessions", json={"code": code}), 403, "code_refused")


async def test_a_code_may_be_typed_as_people_type(world):
    code, nobody = await world.pairing("home"), await world.client()
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert (await nobody.post("/v1/sessions", json={"code": typed})).status_code == 201


async def test_a_code_dies_after_ten_minutes(world, fresh_database):
    code, nobody = await world.pairing("home"), await world.client()
    connection = await asyncpg.connect(fresh_database)
    await connection.execute("UPDATE accounts.pairing SET expires_at = now() - interval '1 s'")
    await connection.close()
    is_problem(await nobody.post("/v1/sessions", json={"code": code}), 403, "code_refused")


async def test_guessing_is_slowed_down_and_a_right_code_must_wait_too(still):
    code, nobody = await still.pairing("home"), await still.client()
    answers = [await nobody.post("/v1/sessions", json={"code": "AAAA-AAAA"}) for _ in range(11)]
    assert answers[0].status_code == 403
    problem = is_problem(answers[-1], 429, "too_many_requests")
    assert problem["retryable"]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert (await nobody.post("/v1/sessions", json={"code": code})).status_code == 429


async def test_a_person_pairs_another_device_of_their_own(world, ada):
    offer = (await ada.http.post("/v1/pairings")).json()
    nobody = await world.client()
    other = (await nobody.post("/v1/sessions", json={"code": offer["code"]})).json()
    assert (other["account"], other["person"]) == (ada.session["account"], ada.session["person"])
    assert other["token"] != ada.token


async def test_only_the_operator_pairs_for_another_account(world, ada):
    answer = await ada.http.post("/v1/pairings", json={"account": "bob"})
    is_problem(answer, 422, "account_refused")
    is_problem(await (await world.client("x")).post("/v1/pairings"), 401, "unauthenticated")


async def test_the_same_name_is_the_same_account(world, ada):
    again = await world.person("ada")
    assert again.session["account"] == ada.session["account"]
    assert (await world.person("bob")).session["account"] != ada.session["account"]


async def test_no_token_or_code_stands_in_the_database(world, ada, fresh_database):
    code = await world.pairing("ada")
    connection = await asyncpg.connect(fresh_database)
    dump = ""
    for table in ("account", "person", "pairing", "session"):
        dump += str([tuple(r) for r in await connection.fetch(f"SELECT * FROM accounts.{table}")])
    await connection.close()
    assert ada.session["session"] in dump
    for secret in (ada.token, code, plain_code(code)):
        assert secret not in dump


async def test_an_empty_operator_token_opens_nothing(world):
    is_problem(await (await world.client()).post("/v1/pairings"), 401, "unauthenticated")


def test_digests_of_different_purposes_and_installations_differ():
    one, other = Digests("one"), Digests("other")
    assert one.of("refresh", "x") == one.of("refresh", "x")
    assert one.of("refresh", "x") != one.of("broker", "x") != other.of("broker", "x")


@pytest.mark.parametrize("typed", ["abcd-efgh", " ABCD EFGH ", "AbCdEfGh"])
def test_codes_are_read_as_people_type_them(typed):
    assert plain_code(typed) == "ABCDEFGH"


def test_codes_and_tokens_are_made_of_the_entropy_given():
    assert new_code(lambda n: bytes(range(n))) == "0123-4567"
    assert new_token("broker", lambda n: b"\xff" * n) == "errand_broker_" + "_" * 42 + "8"


async def at_once(world, times, code="AAAA-AAAA", headers=None):
    """The statuses of so many tries that are sent together."""
    nobody = await world.client()
    asked = [
        nobody.post("/v1/sessions", json={"code": code}, headers=headers) for _ in range(times)
    ]
    return Counter(answer.status_code for answer in await asyncio.gather(*asked))


async def test_of_forty_tries_at_once_ten_are_judged_and_ten_more_a_minute_later(
    servers, fresh_database
):
    clock = SetClock()
    async with a_world(servers, fresh_database, clock) as world:
        assert await at_once(world, 40) == {403: 10, 429: 30}
        clock.move(59)
        assert await at_once(world, 1) == {429: 1}
        clock.move(1)
        assert await at_once(world, 20) == {403: 10, 429: 10}


async def test_a_forged_address_makes_no_new_caller(still):
    seen = Counter()
    for number in range(20):
        seen += await at_once(still, 1, headers={"X-Forwarded-For": f"198.51.100.{number}"})
    assert seen == {403: 10, 429: 10}


async def test_codes_that_are_right_are_not_counted_as_tries(still):
    seen = Counter()
    for _ in range(25):
        seen += await at_once(still, 1, await still.pairing("home"))
    assert seen == {201: 25}


async def test_nobody_can_lock_everybody_out(servers, fresh_database):
    """A hundred networks try codes; a person behind yet another still pairs, at the first try."""
    clock = SetClock()
    async with a_world(servers, fresh_database, clock, trusted_proxies="127.0.0.1") as world:
        for number in range(100):
            source = {"X-Forwarded-For": f"203.0.113.{number}"}
            await at_once(world, 4, headers=source)
        late = await at_once(world, 10, headers={"X-Forwarded-For": "203.0.113.200"})
        assert late == {403: 3, 429: 7}  # fewer than at a quiet time
        code = await world.pairing("home")
        mine = await at_once(world, 1, code, headers={"X-Forwarded-For": "203.0.113.201"})
        assert mine == {201: 1}


async def test_the_addresses_of_one_ipv6_network_are_one_caller(servers, fresh_database):
    clock = SetClock()
    async with a_world(servers, fresh_database, clock, trusted_proxies="127.0.0.1") as world:
        seen = Counter()
        for number in range(20):
            source = {"X-Forwarded-For": f"2001:db8:1:2:{number:x}::1"}
            seen += await at_once(world, 1, headers=source)
        assert seen == {403: 10, 429: 10}
        other = await at_once(world, 1, headers={"X-Forwarded-For": "2001:db8:1:3::1"})
        assert other == {403: 1}
