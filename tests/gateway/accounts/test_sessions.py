"""Sessions: renewed, listed, ended; over real HTTP, on a real database."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import jwt
from websockets.asyncio.client import connect

from services.gateway.tasks.access import REVOKED
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.accounts_rows import dump, execute, fetch
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import SetClock, a_world


async def renew(world, refresh_token):
    nobody = await world.client()
    return await nobody.post("/v1/sessions/refresh", json={"refresh_token": refresh_token})


async def renewed(world, refresh_token):
    answer = await renew(world, refresh_token)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def is_signed_in(world, token):
    return (await (await world.client(token)).get("/v1/me")).status_code == 200


async def enters_the_stream(world, client):
    ticket = (await client.post("/v1/stream/tickets")).json()["ticket"]
    device = {"id": "d", "platform": "test"}
    hello = {"t": "hello", "v": 1, "ticket": ticket, "device": device, "vis": "active", "subs": []}
    async with connect(world.url.replace("http", "ws") + "/v1/stream") as socket:
        await socket.send(json.dumps(hello))
        return "welcome" in await socket.recv()


async def test_an_access_token_lasts_ten_minutes(ada):
    claims = jwt.decode(ada.token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 600
    told = datetime.fromisoformat(ada.session["expires_at"])
    assert told == datetime.fromtimestamp(claims["exp"], UTC)


async def test_a_session_goes_on_by_its_refresh_token(world, ada):
    first = await renewed(world, ada.session["refresh_token"])
    second = await renewed(world, first["refresh_token"])
    for each in (first, second):
        assert await is_signed_in(world, each["token"])
        for same in ("session", "account", "person"):
            assert each[same] == ada.session[same]
    assert len({ada.token, first["token"], second["token"]}) == 3
    assert len({s["refresh_token"] for s in (ada.session, first, second)}) == 3


async def test_a_renewal_whose_answer_was_lost_is_answered_the_same(world, ada):
    first, again = [await renewed(world, ada.session["refresh_token"]) for _ in range(2)]
    assert first["refresh_token"] == again["refresh_token"]
    assert await is_signed_in(world, again["token"])
    assert (await renew(world, again["refresh_token"])).status_code == 200


async def test_renewals_sent_at_once_get_the_same(world, ada):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(renewed(world, ada.session["refresh_token"])) for _ in range(8)]
    assert len({task.result()["refresh_token"] for task in tasks}) == 1


async def is_ended_for_both(world, old, stolen):
    is_problem(await renew(world, old), 401, "session_ended")
    is_problem(await renew(world, stolen["refresh_token"]), 401, "session_ended")
    assert not await is_signed_in(world, stolen["token"])


async def test_a_refresh_token_used_again_after_the_grace_ends_the_session(servers, fresh_database):
    clock = SetClock()
    async with a_world(servers, fresh_database, clock) as world:
        ada = await world.person("ada")
        clock.move(60)
        old = ada.session["refresh_token"]
        stolen = await renewed(world, old)
        assert await is_signed_in(world, stolen["token"]), "somebody has received it"
        clock.move(31)
        await is_ended_for_both(world, old, stolen)
        assert not await is_signed_in(world, ada.token)


async def test_an_answer_that_was_lost_is_given_again_the_next_morning(servers, fresh_database):
    clock = SetClock()
    async with a_world(servers, fresh_database, clock) as world:
        ada = await world.person("ada")
        clock.move(60)
        old = ada.session["refresh_token"]
        lost = await renewed(world, old)  # in a tunnel, and then the phone was put away
        assert await is_signed_in(world, ada.token), "one issued before proves nothing"
        assert await enters_the_stream(world, ada.http), "nor does what it buys"
        clock.move(9 * 3600)
        again = await renewed(world, old)
        assert again["refresh_token"] == lost["refresh_token"]
        assert await is_signed_in(world, again["token"])
        clock.move(31)
        await is_ended_for_both(world, old, again)


async def test_a_thief_who_is_first_is_found_out_when_the_owner_comes_back(servers, fresh_database):
    clock = SetClock()
    for goes_on in (False, True):
        async with a_world(servers, fresh_database, clock) as world:
            ada = await world.person("ada")
            clock.move(60)
            stolen = await renewed(world, ada.session["refresh_token"])
            if goes_on:
                stolen = await renewed(world, stolen["refresh_token"])
            else:
                assert await is_signed_in(world, stolen["token"])
            clock.move(3600)
            await is_ended_for_both(world, ada.session["refresh_token"], stolen)


async def test_within_the_grace_only_the_last_one_may_be_repeated(world, ada):
    old = ada.session["refresh_token"]
    stolen = await renewed(world, (await renewed(world, old))["refresh_token"])
    await is_ended_for_both(world, old, stolen)


async def test_a_reuse_ends_that_session_and_no_other(world, ada):
    other = (await world.person("ada")).session
    old = ada.session["refresh_token"]
    await is_ended_for_both(
        world, old, await renewed(world, (await renewed(world, old))["refresh_token"])
    )
    assert await is_signed_in(world, other["token"])


async def test_a_wrong_an_old_or_another_kind_of_token_renews_nothing(world, ada, fresh_database):
    for wrong in ("", "errand_refresh_x", ada.token, "\0", "é"):
        is_problem(await renew(world, wrong), 401, "session_ended")
    assert await is_signed_in(world, ada.token)
    await execute(
        fresh_database, "UPDATE accounts.refresh_token SET expires_at = now() - interval '1 s'"
    )
    is_problem(await renew(world, ada.session["refresh_token"]), 401, "session_ended")
    refresh = await world.client(ada.session["refresh_token"])
    is_problem(await refresh.get("/v1/me"), 401, "unauthenticated")


async def test_sessions_are_listed_and_only_ones_own(world, ada, bob):
    other = (await world.person("ada")).session["session"]
    lines = (await ada.http.get("/v1/sessions")).json()["data"]
    mine = ada.session["session"]
    assert {line["session"]: line["is_current"] for line in lines} == {mine: True, other: False}
    assert {line["device"] for line in lines} == {"phone"}
    assert len((await bob.http.get("/v1/sessions")).json()["data"]) == 1


async def test_a_session_that_is_ended_is_told_to_every_gateway_and_dies_at_once(world, ada):
    other = await world.person("ada")
    async with world.redis.pubsub() as told:
        await told.subscribe(REVOKED)
        await told.get_message(timeout=10)
        assert await is_signed_in(world, other.token)  # and is remembered for some seconds
        session = other.session["session"]
        assert (await ada.http.delete(f"/v1/sessions/{session}")).status_code == 204
        assert not await is_signed_in(world, other.token)
        message = await told.get_message(ignore_subscribe_messages=True, timeout=10)
        assert message["data"] == session.encode()
    is_problem(await renew(world, other.session["refresh_token"]), 401, "session_ended")
    is_problem(await ada.http.delete(f"/v1/sessions/{session}"), 404, "not_found")


async def test_all_other_sessions_are_ended_at_once(world, ada, bob):
    others = [await world.person("ada") for _ in range(2)]
    assert (await ada.http.delete("/v1/sessions")).status_code == 204
    assert [await is_signed_in(world, other.token) for other in others] == [False, False]
    assert await is_signed_in(world, ada.token)
    assert await is_signed_in(world, bob.token)


async def test_another_gateway_soon_knows_that_a_session_was_ended(servers, fresh_database):
    same_installation = {"public_url": "http://errand.test"}
    async with (
        a_world(servers, fresh_database, **same_installation) as here,
        a_world(servers, fresh_database, **same_installation) as there,
    ):
        ada = await here.person("ada")
        assert await is_signed_in(there, ada.token)  # which it remembers for some seconds
        await ada.http.delete(f"/v1/sessions/{ada.session['session']}")
        assert not await is_signed_in(here, ada.token)

        async def is_out_there():
            return not await is_signed_in(there, ada.token)

        await eventually(is_out_there, seconds=60, every_seconds=0.2)


async def test_redis_may_be_away_when_a_session_is_ended(servers, fresh_database):
    async with a_world(servers, fresh_database, redis_url="redis://127.0.0.1:9") as world:
        ada = await world.person("ada")
        other = await world.person("ada")
        session = other.session["session"]
        assert (await ada.http.delete(f"/v1/sessions/{session}")).status_code == 204
        assert not await is_signed_in(world, other.token)


async def test_what_a_device_calls_itself_is_kept_as_far_as_it_goes(world):
    nobody = await world.client()
    body = {"code": await world.pairing("ada"), "device": {"name": "x\0" * 300, "platform": "é"}}
    assert (await nobody.post("/v1/sessions", json=body)).status_code == 201


async def test_no_token_stands_in_the_database(world, ada, fresh_database):
    fresh = await renewed(world, ada.session["refresh_token"])
    standing = await dump(fresh_database)
    assert ada.session["session"] in standing
    for session in (ada.session, fresh):
        for secret in (session["token"], session["refresh_token"]):
            assert secret not in standing


async def test_used_refresh_tokens_are_kept_for_a_month(world, ada, fresh_database):
    first = await renewed(world, ada.session["refresh_token"])
    await execute(
        fresh_database, "UPDATE accounts.refresh_token SET used_at = used_at - interval '31 days'"
    )
    await renewed(world, first["refresh_token"])
    rows = await fetch(fresh_database, "SELECT used_at FROM accounts.refresh_token")
    month = datetime.now(UTC) - timedelta(days=30)
    assert sorted(row["used_at"] is None for row in rows) == [False, True]
    assert all(row["used_at"] > month for row in rows if row["used_at"])
