"""API keys: what they open, how far, how long."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from services.gateway.accounts.tokens import is_key
from tests.gateway.kit.members import joined
from tests.gateway.kit.problems import UNKNOWN, is_problem
from tests.kit.probe.accounts_rows import dump, execute
from tests.kit.run.gateway import REPOSITORY


async def made(person, **payload):
    answer = await person.http.post("/v1/keys", json={"name": "robot", **payload})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_key_is_told_once_and_asks_as_its_person(world, ada, fresh_database):
    key = await made(ada)
    assert key["token"].startswith("errand_test_")
    assert is_key(key["token"])
    me = (await (await world.client(key["token"])).get("/v1/me")).json()
    assert (me["person"], me["session"]) == (ada.session["person"], key["key"])
    [line] = (await ada.http.get("/v1/keys")).json()["data"]
    assert line["last_four"] == key["token"][-4:]
    assert line["used_at"]
    assert line["scopes"] == ["admin", "approve", "read", "write"]
    assert key["token"] not in str(line)
    assert key["token"] not in await dump(fresh_database)


async def test_a_revoked_key_is_dead_at_once(world, ada):
    key = await made(ada)
    robot = await world.client(key["token"])
    assert (await robot.get("/v1/me")).status_code == 200
    assert (await ada.http.delete(f"/v1/keys/{key['key']}")).status_code == 204
    is_problem(await robot.get("/v1/me"), 401, "unauthenticated")
    is_problem(await ada.http.delete(f"/v1/keys/{key['key']}"), 404, "not_found")
    assert (await ada.http.get("/v1/keys")).json()["data"] == []


async def test_a_key_ends_when_it_was_said_to(world, ada, fresh_database):
    end = datetime.now(UTC) + timedelta(hours=1)
    key = await made(ada, expires_at=end.isoformat())
    await execute(fresh_database, "UPDATE accounts.api_key SET expires_at = now() - interval '1 s'")
    robot = await world.client(key["token"])
    is_problem(await robot.get("/v1/me"), 401, "unauthenticated")


async def test_a_key_that_makes_no_sense_is_not_made(ada):
    for payload, code in [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expiry_refused"),
        ({"expires_at": "2999-01-01T00:00:00"}, "expiry_refused"),
        ({"scopes": ["everything"]}, "invalid_request"),
        ({"name": ""}, "name_refused"),
    ]:
        is_problem(await ada.http.post("/v1/keys", json={"name": "robot", **payload}), 422, code)


async def status_of(client, method, path, body=None):
    headers = {"Idempotency-Key": str(uuid4())}
    return (await client.request(method, path, json=body, headers=headers)).status_code


TASK = {"prompt": "x", "repository": {"url": REPOSITORY}}
ASKED = {
    "read": ("GET", f"/v1/tasks/{UNKNOWN}", None),
    "write": ("POST", "/v1/tasks", TASK),
    "admin": ("GET", "/v1/keys", None),
}


async def test_a_key_may_do_what_its_scopes_say_and_no_more(world, ada):
    for scope in ("read", "write", "approve", "admin"):
        robot = await world.client((await made(ada, scopes=[scope]))["token"])
        for needed, asked in ASKED.items():
            status = await status_of(robot, *asked)
            assert (status != 403) == (needed == scope), (scope, needed, status)
        assert (await robot.get("/v1/me")).json()["scopes"] == [scope]


async def test_a_missing_scope_is_told_with_its_name(world, ada):
    robot = await world.client((await made(ada, scopes=["read"]))["token"])
    headers = {"Idempotency-Key": str(uuid4())}
    told = is_problem(
        await robot.post(f"/v1/tasks/{UNKNOWN}/cancel", headers=headers), 403, "scope_missing"
    )
    assert "`write`" in told["detail"]
    assert "read" in told["detail"]


async def test_a_key_makes_no_key_that_may_do_more(world, ada):
    robot = await world.client((await made(ada, scopes=["admin", "read"]))["token"])
    answer = await robot.post("/v1/keys", json={"name": "x", "scopes": ["write"]})
    is_problem(answer, 422, "scopes_refused")
    answer = await robot.post("/v1/keys", json={"name": "x"})
    assert answer.json()["scopes"] == ["admin", "read"]


async def test_a_members_key_is_no_owners(world, ada):
    bea = await joined(world, ada)
    robot = await world.client((await made(bea))["token"])
    is_problem(await robot.post("/v1/members", json={"name": "x"}), 403, "owner_only")


async def test_a_person_has_a_hundred_keys_at_most(ada, fresh_database):
    await made(ada)
    await execute(
        fresh_database,
        "INSERT INTO accounts.api_key SELECT 'key_' || n, n::text::bytea, account, person, name, "
        "scopes, last_four, created_at FROM accounts.api_key, generate_series(1, 99) AS n",
    )
    is_problem(await ada.http.post("/v1/keys", json={"name": "x"}), 409, "too_many_keys")
