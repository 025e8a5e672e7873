"""Devices and their pushes over real HTTP."""

from datetime import timedelta
from uuid import uuid4

from events import CallId, QuestionAsked, RequestId
from infra.runtime.clock import DraftFactory, utc_now
from services.gateway.push.devices import MAX_DEVICES
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import a_world

ASKED = QuestionAsked(request=RequestId("req_1"), call=CallId("call_1"), text="Which one?")


async def browser_of(person, outside):
    """A browser that subscribes as a web app does, and registers."""
    key = (await person.http.get("/v1/push/key")).json()["vapid_public_key"]
    browser = outside.browser(key)
    body = {"kind": "web", "subscription": browser.subscription, "name": "Ada's phone"}
    answer = await person.http.post("/v1/devices", json=body)
    assert answer.status_code == 201, answer.text
    return browser, answer.json()


async def test_a_device_is_registered_listed_and_forgotten(world, ada, outside):
    browser, device = await browser_of(ada, outside)
    assert device["kind"] == "web"
    assert device["name"] == "Ada's phone"
    listed = await ada.http.get("/v1/devices")
    assert listed.json() == {"data": [device]}
    assert browser.endpoint not in listed.text
    assert browser.subscription["keys"]["auth"] not in listed.text
    assert (await ada.http.delete(f"/v1/devices/{device['id']}")).status_code == 204
    assert (await ada.http.get("/v1/devices")).json() == {"data": []}
    is_problem(await ada.http.delete(f"/v1/devices/{device['id']}"), 404, "not_found")


async def test_the_same_address_is_the_same_device(world, ada, outside):
    services = outside.services
    for body in (
        {"kind": "web", "subscription": outside.browser("x").subscription},
        {"kind": "apns", "token": services.apple.install()},
        {"kind": "fcm", "token": services.google.install()},
    ):
        first = await ada.http.post("/v1/devices", json=body)
        again = await ada.http.post("/v1/devices", json=body | {"name": "new\x00 name"})
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"]
        assert first.headers["location"] == f"/v1/devices/{first.json()['id']}"
        assert again.json()["name"] == "new name"


async def test_nobody_elses_device_is_there(world, ada, bob, outside):
    _, device = await browser_of(ada, outside)
    path = f"/v1/devices/{device['id']}"
    for strange in ("%00", "dev_x", "..%2F..", "é"):
        is_problem(await ada.http.get(f"/v1/devices/{strange}/pushes"), 404, "not_found")
        is_problem(await ada.http.delete(f"/v1/devices/{strange}"), 404, "not_found")
    is_problem(await bob.http.delete(path), 404, "not_found")
    is_problem(await bob.http.get(f"{path}/pushes"), 404, "not_found")
    is_problem(await bob.post(f"{path}/test"), 404, "not_found")
    nobody = await world.client()
    for answer in (
        await nobody.get("/v1/devices"),
        await nobody.post("/v1/devices", json={"kind": "apns", "token": "ab" * 32}),
        await nobody.delete(path),
        await nobody.get(f"{path}/pushes"),
        await nobody.post(f"{path}/test"),
    ):
        is_problem(answer, 401, "unauthenticated")
    assert (await ada.http.get("/v1/devices")).json()["data"] == [device]
    assert (await bob.http.get("/v1/devices")).json()["data"] == []


INTERNAL = {
    "endpoint": "https://169.254.169.254/latest/meta-data",
    "keys": {"p256dh": "x", "auth": "y"},
}


async def test_what_cannot_be_a_device_is_refused(world, ada):
    for body, code in (
        ({"kind": "web"}, "subscription_missing"),
        ({"kind": "apns"}, "token_missing"),
        ({"kind": "fcm", "token": "x"}, "token_invalid"),
        ({"kind": "web", "subscription": INTERNAL}, "endpoint_refused"),
        ({"kind": "carrier pigeon"}, "invalid_request"),
        ({"kind": "apns", "token": "ab" * 32, "person": "per_bob"}, "invalid_request"),
    ):
        is_problem(await ada.http.post("/v1/devices", json=body), 422, code)
    assert (await ada.http.get("/v1/devices")).json() == {"data": []}


async def test_an_installation_says_which_pushes_it_sends(servers, fresh_database, outside):
    async with a_world(servers, fresh_database) as silent:
        ada = await silent.person("ada")
        offer = (await ada.http.get("/v1/push/key")).json()
        assert offer == {"kinds": [], "vapid_public_key": ""}
        body = {"kind": "apns", "token": "ab" * 32}
        answer = await ada.http.post("/v1/devices", json=body)
        assert "APNS_URL" in is_problem(answer, 422, "push_kind_not_offered")["detail"]


async def test_a_person_has_so_many_devices_and_no_more(world, ada, outside):
    for _ in range(MAX_DEVICES):
        await browser_of(ada, outside)
    body = {"kind": "apns", "token": outside.services.apple.install()}
    is_problem(await ada.http.post("/v1/devices", json=body), 409, "too_many_devices")
    newest = (await ada.http.get("/v1/devices")).json()["data"][0]
    await ada.http.delete(f"/v1/devices/{newest['id']}")
    assert (await ada.http.post("/v1/devices", json=body)).status_code == 201


async def test_a_test_push_arrives_and_says_how_it_went(world, ada, outside):
    browser, device = await browser_of(ada, outside)
    path, key = f"/v1/devices/{device['id']}/test", str(uuid4())
    answer = await ada.post(path, key=key)
    assert answer.status_code == 200, answer.text
    sent = answer.json()
    assert (sent["class"], sent["state"]) == ("test", "accepted")
    assert [a["status"] for a in sent["attempts"]] == [201]
    assert (await ada.post(path, key=key)).json() == sent
    [read] = outside.to(browser)
    ids = {"push": sent["id"], "class": "test", "replaces": "test"}
    assert read["notification"]["data"] == ids
    is_problem(await ada.http.post(path), 400, "idempotency_key_missing")


async def test_a_test_of_a_dead_device_says_so(world, ada, outside):
    browser, device = await browser_of(ada, outside)
    outside.services.browsers.unsubscribe(browser.endpoint.removeprefix(outside.origin))
    path = f"/v1/devices/{device['id']}/test"
    sent = (await ada.post(path)).json()
    assert sent["state"] == "dead"
    assert sent["attempts"][0]["status"] == 410
    is_problem(await ada.post(path), 409, "device_dead")
    [known] = (await ada.http.get("/v1/devices")).json()["data"]
    assert known["dead_reason"].startswith("410")
    _, again = await browser_of(ada, outside)
    assert again["id"] != device["id"]


async def test_the_delivery_log_has_pages(world, ada, outside):
    _, device = await browser_of(ada, outside)
    made = [(await ada.post(f"/v1/devices/{device['id']}/test")).json()["id"] for _ in range(5)]
    path, seen, after = f"/v1/devices/{device['id']}/pushes", [], ""
    while True:
        page = (await ada.http.get(path, params={"limit": 2, "after": after})).json()
        seen += [sent["id"] for sent in page["data"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == made[::-1]
    is_problem(await ada.http.get(path, params={"after": "x"}), 400, "cursor_invalid")
    is_problem(await ada.http.get(path, params={"limit": 0}), 422, "invalid_request")


async def test_a_question_reaches_the_browser_of_who_asked_for_the_work(world, ada, bob, outside):
    browser, device = await browser_of(ada, outside)
    bobs, _ = await browser_of(bob, outside)
    task = await ada.submit("Fix the parser")
    world.draft_factory = DraftFactory(lambda: utc_now() - timedelta(seconds=3))  # the wait is over
    version = await world.append(ada.history(task), ASKED)
    await eventually(lambda: len(outside.to(browser)), seconds=30)
    [read] = outside.to(browser)
    assert read["notification"]["navigate"] == f"{world.url}/t/{task}?ask=req_1"
    assert read["notification"]["data"]["version"] == str(version)
    assert outside.to(bobs) == []
    path = f"/v1/devices/{device['id']}/pushes"

    async def logged():
        return (await ada.http.get(path)).json()["data"]

    [sent] = await eventually(
        logged, until=lambda data: bool(data) and data[0]["state"] == "accepted", seconds=30
    )
    assert (sent["task"], sent["version"], sent["about"]) == (task, version, "question.asked")
