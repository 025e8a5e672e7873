"""A task's events over HTTP: pages, long polls, server-sent events; artifacts and lists."""

import asyncio
from uuid import uuid4

import msgspec

from infra.log.jetstream import JetStreamLog
from infra.stores.live_channels import state_key
from tests.gateway.kit.histories import artifact, projected, put, seen, step
from tests.gateway.kit.problems import is_problem
from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import REPOSITORY, a_world


async def test_events_come_by_the_page_as_they_were_stored(ada, world):
    task = await ada.submit()
    await world.append(ada.history(task), *(step(f"s{n}") for n in range(4)))
    stored = [r.body for r in await world.log.read(ada.history(task))]
    path = f"/v1/tasks/{task}/events"
    page = await ada.http.get(path, params={"limit": 2})
    assert page.content == b'{"data":[%s],"next":2,"head":5}' % b",".join(stored[:2])
    rest = await ada.http.get(path, params={"after": 2})
    assert rest.content == b'{"data":[%s],"next":null,"head":5}' % b",".join(stored[2:])
    none = await ada.http.get(path, params={"after": 5})
    assert none.json() == {"data": [], "next": None, "head": 5}


async def test_a_long_poll_is_answered_when_something_happens(ada, world):
    task = await ada.submit()
    path = f"/v1/tasks/{task}/events"
    async with asyncio.TaskGroup() as group:
        poll = group.create_task(ada.http.get(path, params={"after": 1, "wait": 20}))
        await asyncio.sleep(0.2)  # so that it really waits; the answer does not depend on it
        await world.append(ada.history(task), step("now"))
    assert [event["version"] for event in poll.result().json()["data"]] == [2]


async def test_a_long_poll_ends_empty_when_nothing_happens(ada):
    task = await ada.submit()
    answer = await ada.http.get(f"/v1/tasks/{task}/events", params={"after": 1, "wait": 0.1})
    assert answer.json() == {"data": [], "next": None, "head": 1}


async def test_events_are_streamed_as_they_come_and_resumed(ada, world):
    task = await ada.submit()
    path, accept = f"/v1/tasks/{task}/events", {"Accept": "text/event-stream"}
    async with ada.http.stream("GET", path, headers=accept) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        await world.append(ada.history(task), step("a"), step("b"))
        events = await seen(answer, 3)
    assert [version for version, _ in events] == [1, 2, 3]
    assert events[2][1]["items"][0]["text"] == "b"
    await world.append(ada.history(task), step("c"))
    resumed = {**accept, "Last-Event-ID": "3"}
    async with ada.http.stream("GET", path, headers=resumed) as answer:
        assert [version for version, _ in await seen(answer, 1)] == [4]
    answer = await ada.http.get(path, headers={**accept, "Last-Event-ID": "x"})
    is_problem(answer, 400, "last_event_id_invalid")


async def test_artifacts_and_the_diff_are_sent_as_what_they_are_and_harmless(ada, world, servers):
    task = await ada.submit()
    is_problem(await ada.http.get(f"/v1/tasks/{task}/diff"), 404, "not_found")
    await put(servers, f"tasks/{task}/artifacts/changes.diff", b"+new")
    await put(servers, f"tasks/{task}/artifacts/page.html", b"<b>x")
    await world.append(
        ada.history(task),
        artifact(task, "changes.diff", "text/x-diff", b"+new"),
        artifact(task, "page.html", "text/html", b"<b>x"),
        artifact(task, "stolen", "text/plain", key="tasks/task_other/secret"),
    )
    listed = (await ada.http.get(f"/v1/tasks/{task}/artifacts")).json()["data"]
    assert [a["name"] for a in listed] == ["changes.diff", "page.html"]
    assert "key" not in listed[0]
    diff = await ada.http.get(f"/v1/tasks/{task}/diff")
    assert (diff.content, diff.headers["content-type"].split(";")[0]) == (b"+new", "text/x-diff")
    page = await ada.http.get(f"/v1/tasks/{task}/artifacts/page.html")
    assert page.content == b"<b>x"
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"] == "attachment"
    assert "sandbox" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    for name in ("stolen", "nothing", "../changes.diff"):
        is_problem(await ada.http.get(f"/v1/tasks/{task}/artifacts/{name}"), 404, "not_found")


async def test_a_forged_artifact_reaches_no_other_object_and_no_header(ada, bob, world, servers):
    task, other = await ada.submit(), await bob.submit()
    await put(servers, f"tasks/{other}/artifacts/secret", b"bobs")
    await put(servers, f"tasks/{task}/artifacts/own", b"mine")
    keys = [
        f"tasks/{other}/artifacts/secret",
        f"tasks/{task}/../{other}/artifacts/secret",
        f"tasks/{task}/artifacts/../../{other}/artifacts/secret",
        f"tasks/{task}//{other}/artifacts/secret",
        f"/tasks/{task}/artifacts/own",
        f"tasks/{task}/%2e%2e/{other}/artifacts/secret",
        f"tasks/{task}/artifacts/own\0",
        f"tasks/{task}/artifacts/own\n",
        f"tasks/{task}/",
        f"tasks/{task}",
    ]
    forged = [
        artifact(task, f"forged{number}", "text/plain", b"bobs", key=key)
        for number, key in enumerate(keys)
    ]
    kinds = [
        "text/html",
        "text/plain\r\nSet-Cookie: a=b",
        "texte/é",
        "",
        "image/svg+xml",
        "x" * 999,
    ]
    typed = [
        artifact(task, f"typed{number}", kind, b"mine", key=f"tasks/{task}/artifacts/own")
        for number, kind in enumerate(kinds)
    ]
    own = f"tasks/{task}/artifacts/own"
    named = [
        artifact(task, name, "text/plain", b"mine", key=own)
        for name in ("a\r\nb", "\u202e", "", "n" * 999)
    ]
    await world.append(ada.history(task), *forged, *typed, *named)
    listed = (await ada.http.get(f"/v1/tasks/{task}/artifacts")).json()["data"]
    assert [each["name"] for each in listed] == [each.name for each in typed]
    for each in forged:
        answer = await ada.http.get(f"/v1/tasks/{task}/artifacts/{each.name}")
        is_problem(answer, 404, "not_found")
    for each in typed:
        answer = await ada.http.get(f"/v1/tasks/{task}/artifacts/{each.name}")
        assert answer.content == b"mine"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "set-cookie" not in answer.headers


async def test_an_artifact_that_was_changed_afterwards_is_not_sent(ada, world, servers):
    task = await ada.submit()
    for name in ("longer", "other.diff"):
        await put(servers, f"tasks/{task}/artifacts/{name}", b"-new")
    await world.append(
        ada.history(task),
        artifact(task, "longer", "text/plain", b"short"),
        artifact(task, "other.diff", "text/x-diff", b"+new"),
        artifact(task, "no digest", "text/plain", b"-new", digest="é" * 64),
    )
    answer = await ada.http.get(f"/v1/tasks/{task}/artifacts/longer")
    is_problem(answer, 409, "artifact_changed")
    is_problem(await ada.http.get(f"/v1/tasks/{task}/diff"), 409, "artifact_changed")
    is_problem(await ada.http.get(f"/v1/tasks/{task}/files"), 409, "artifact_changed")
    listed = (await ada.http.get(f"/v1/tasks/{task}/artifacts")).json()["data"]
    assert [each["name"] for each in listed] == ["longer", "other.diff"]


async def test_tasks_are_listed_by_the_page_newest_first_and_only_ones_own(ada, bob, read_model):
    tasks = [await ada.submit(f"task {n}") for n in range(5)]
    theirs = await bob.submit()
    for person, task in [*((ada, t) for t in tasks), (bob, theirs)]:
        await projected(read_model, person, task)
    listed, after = [], ""
    while True:
        answer = await ada.http.get("/v1/tasks", params={"limit": 2, "after": after})
        page = answer.json()
        listed += [task["id"] for task in page["data"]]
        after = page["next"]
        if after is None:
            break
    assert listed == tasks[::-1]
    assert (await ada.http.get("/v1/tasks", params={"phase": "failed"})).json()["data"] == []
    is_problem(await ada.http.get("/v1/tasks", params={"after": "x"}), 400, "cursor_invalid")


async def test_a_list_without_a_read_model_is_unavailable_and_a_task_still_seen(ada):
    answer = await ada.http.get("/v1/tasks")
    is_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    task = await ada.submit()
    assert (await ada.http.get(f"/v1/tasks/{task}")).status_code == 200


async def test_the_fresher_of_log_and_read_model_is_answered(ada, world, read_model):
    task = await ada.submit()
    await projected(read_model, ada, task)
    version = await world.append(ada.history(task), step("x"))
    behind = (await ada.http.get(f"/v1/tasks/{task}")).json()
    fresh = (await ada.http.get(f"/v1/tasks/{task}", params={"wait_version": version})).json()
    assert (behind["version"], fresh["version"]) == (1, 2)
    assert fresh["plan"][0]["text"] == "x"


async def test_live_state_is_answered_when_it_is_newer_and_ones_own(ada, bob, world, read_model):
    task = await ada.submit()
    await projected(read_model, ada, task)
    state = (await ada.http.get(f"/v1/tasks/{task}")).json()
    live = msgspec.json.encode({**state, "version": 7, "activity": "Thinking"})
    await world.redis.hset(state_key(task), mapping={"version": 7, "state": live})
    seen_now = (await ada.http.get(f"/v1/tasks/{task}", params={"wait_version": 7})).json()
    assert (seen_now["version"], seen_now["activity"]) == (7, "Thinking")
    is_problem(await bob.http.get(f"/v1/tasks/{task}"), 404, "not_found")


async def test_while_the_log_is_away_a_command_is_told_when_to_come_back(
    servers, fresh_database, monkeypatch
):
    monkeypatch.setitem(JetStreamLog.__init__.__kwdefaults__, "deadline_seconds", 0.5)
    key, body = str(uuid4()), {"prompt": "fix it", "repository": {"url": REPOSITORY}}
    async with a_world(servers, fresh_database) as world:
        ada = await world.person("ada")
        async with halted(servers, "nats"):
            answer = await ada.post("/v1/tasks", body, key=key)
            is_problem(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["retryable"]

        async def again():
            return await ada.post("/v1/tasks", body, key=key)

        made = await eventually(again, until=lambda answer: answer.status_code == 201)
        assert (await again()).json()["id"] == made.json()["id"]


async def test_it_serves_again_after_postgres_was_away(ada, world, servers):
    await servers.kill("postgres")

    async def asked():
        answer = await ada.http.get("/v1/me")
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code

    await eventually(asked, until=lambda status: status == 200)
