"""Members of an account are invited, promoted and removed; nothing of other accounts is shown."""

import asyncio

from tests.gateway.kit.members import invited, joined
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.accounts_rows import execute, fetch


async def members(person):
    data = (await person.http.get("/v1/members")).json()["data"]
    return {line["name"]: line for line in data}


async def test_a_guest_comes_in_by_a_code_and_shares_the_accounts_tasks(world, ada):
    offer = await invited(ada)
    assert offer["url"] == f"{world.url}/pair#{offer['code']}"
    assert (await members(ada))["bea"]["joined_at"] is None
    bea = await joined(world, ada)
    listed = await members(bea)
    assert {name: line["role"] for name, line in listed.items()} == {
        "owner": "owner",
        "bea": "member",
    }
    assert listed["bea"]["joined_at"]
    assert bea.session["account"] == ada.session["account"]
    task = await ada.submit()
    assert (await bea.http.get(f"/v1/tasks/{task}")).status_code == 200


async def test_an_invitation_made_again_ends_the_one_before(world, ada):
    first, second = await invited(ada), await invited(ada, role="owner")
    assert first["person"] == second["person"]
    nobody = await world.client()
    is_problem(await nobody.post("/v1/sessions", json={"code": first["code"]}), 403, "code_refused")
    session = (await nobody.post("/v1/sessions", json={"code": second["code"]})).json()
    assert session["role"] == "owner"


async def test_a_name_or_address_is_one_members(world, ada):
    bea = await joined(world, ada, email="Bea@Example.org")
    assert (await members(ada))["bea"]["email"] == "bea@example.org"
    for body in ({"name": "bea"}, {"name": "b2", "email": "bea@example.org"}):
        is_problem(await ada.http.post("/v1/members", json=body), 409, "member_exists")
    await ada.http.delete(f"/v1/members/{bea.session['person']}")
    await invited(ada, email="bea@example.org")


async def test_what_is_no_name_or_address_is_told(ada):
    for body, code in [
        ({"name": ""}, "name_refused"),
        ({"name": "a\nb"}, "name_refused"),
        ({"name": "x" * 65}, "name_refused"),
        ({"name": "x", "email": "nowhere"}, "email_refused"),
        ({"name": "x", "email": "a@b.c\nBcc: d@e.f"}, "email_refused"),
        ({"name": "x", "role": "king"}, "invalid_request"),
    ]:
        is_problem(await ada.http.post("/v1/members", json=body), 422, code)


async def test_a_member_invites_changes_and_removes_nobody(world, ada):
    bea = await joined(world, ada)
    owner = ada.session["person"]
    http = bea.http
    is_problem(await http.post("/v1/members", json={"name": "x"}), 403, "owner_only")
    role = {"role": "owner"}
    is_problem(await http.put(f"/v1/members/{bea.session['person']}", json=role), 403, "owner_only")
    is_problem(await http.delete(f"/v1/members/{owner}"), 403, "owner_only")


async def test_a_role_changes_at_once(world, ada):
    bea = await joined(world, ada)
    assert (await bea.http.get("/v1/me")).json()["role"] == "member"
    path = f"/v1/members/{bea.session['person']}"
    assert (await ada.http.put(path, json={"role": "owner"})).status_code == 200
    assert (await bea.http.get("/v1/me")).json()["role"] == "owner"
    await invited(bea, "cyd")
    await bea.http.put(f"/v1/members/{ada.session['person']}", json={"role": "member"})
    is_problem(await ada.http.post("/v1/members", json={"name": "d"}), 403, "owner_only")


async def test_whoever_is_removed_is_out_at_once(world, ada):
    bea = await joined(world, ada)
    key = (await bea.http.post("/v1/keys", json={"name": "robot"})).json()["token"]
    robot = await world.client(key)
    code = (await bea.http.post("/v1/pairings")).json()["code"]
    assert (await robot.get("/v1/me")).status_code == 200
    assert (await ada.http.delete(f"/v1/members/{bea.session['person']}")).status_code == 204
    for client in (bea.http, robot):
        is_problem(await client.get("/v1/me"), 401, "unauthenticated")
    nobody = await world.client()
    refresh = {"refresh_token": bea.session["refresh_token"]}
    is_problem(await nobody.post("/v1/sessions/refresh", json=refresh), 401, "session_ended")
    is_problem(await nobody.post("/v1/sessions", json={"code": code}), 403, "code_refused")
    assert set(await members(ada)) == {"owner"}


async def test_of_whoever_is_removed_no_template_is_left(world, ada, fresh_database):
    bea = await joined(world, ada)
    for person, text in ((ada, "Go on"), (bea, "A private word")):
        made = await person.http.post("/v1/me/templates", json={"kind": "reply", "text": text})
        assert made.status_code == 201
    await ada.http.delete(f"/v1/members/{bea.session['person']}")
    rows = await fetch(fresh_database, "SELECT person FROM accounts.template")
    assert [row["person"] for row in rows] == [ada.session["person"]]


async def test_a_member_may_leave(world, ada):
    bea = await joined(world, ada)
    assert (await bea.http.delete(f"/v1/members/{bea.session['person']}")).status_code == 204
    is_problem(await bea.http.get("/v1/me"), 401, "unauthenticated")


async def test_an_account_keeps_an_owner(world, ada):
    me = f"/v1/members/{ada.session['person']}"
    await invited(ada, role="owner")  # who has not come yet counts for nothing
    is_problem(await ada.http.delete(me), 409, "last_owner")
    is_problem(await ada.http.put(me, json={"role": "member"}), 409, "last_owner")
    await joined(world, ada, role="owner")
    assert (await ada.http.delete(me)).status_code == 204


async def test_two_owners_who_depose_each_other_at_once_leave_one(world, ada):
    bea = await joined(world, ada, role="owner")
    member = {"role": "member"}
    async with asyncio.TaskGroup() as group:
        changes = [
            group.create_task(one.http.put(f"/v1/members/{other.session['person']}", json=member))
            for one, other in ((ada, bea), (bea, ada))
        ]
    roles = [line["role"] for line in (await members(ada)).values()]
    assert roles.count("owner") >= 1, [change.result().text for change in changes]


async def test_an_invitation_is_good_for_a_day(world, ada, fresh_database):
    offer = await invited(ada)
    await execute(
        fresh_database, "UPDATE accounts.pairing SET expires_at = expires_at - interval '1 day'"
    )
    nobody = await world.client()
    is_problem(await nobody.post("/v1/sessions", json={"code": offer["code"]}), 403, "code_refused")


async def test_another_accounts_people_keys_and_sessions_are_not_there(ada, bob):
    key = (await ada.http.post("/v1/keys", json={"name": "robot"})).json()["key"]
    person, session = ada.session["person"], ada.session["session"]
    for method, path, body in [
        ("PUT", f"/v1/members/{person}", {"role": "member"}),
        ("DELETE", f"/v1/members/{person}", None),
        ("DELETE", f"/v1/sessions/{session}", None),
        ("DELETE", f"/v1/keys/{key}", None),
        ("DELETE", "/v1/keys/%00", None),
        ("DELETE", "/v1/members/é'--", None),
    ]:
        is_problem(await bob.http.request(method, path, json=body), 404, "not_found")
    for path in ("/v1/members", "/v1/sessions", "/v1/keys"):
        for secret in (person, session, key):
            assert secret not in (await bob.http.get(path)).text
    assert (await ada.http.get("/v1/me")).status_code == 200
