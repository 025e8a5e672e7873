"""Places in a history over HTTP: the same as on the stream, and told when they are lost."""

import asyncio

import msgspec

from events import TaskErased
from infra.log.jetstream import connect
from infra.log.jetstream.admin.erasure import purge_before
from services.gateway.http.routes.task import events as routes
from tests.gateway.kit.histories import seen, step
from tests.gateway.kit.problems import is_problem

SSE = {"Accept": "text/event-stream"}


def leads_to_the_state(answer, task):
    is_problem(answer, 410, "position_lost")
    assert answer.headers["link"] == f'</v1/tasks/{task}/state>; rel="latest-version"'


async def test_a_place_the_history_has_not_come_to_is_lost(ada, world):
    task = await ada.submit()
    path = f"/v1/tasks/{task}/events"
    assert (await ada.http.get(path, params={"after": 1})).status_code == 200
    for after in (2, 2**53 - 1):
        leads_to_the_state(await ada.http.get(path, params={"after": after, "wait": 30}), task)
        leads_to_the_state(await ada.http.get(path, params={"after": after}, headers=SSE), task)
    headers = {**SSE, "Last-Event-ID": "7"}
    leads_to_the_state(await ada.http.get(path, headers=headers), task)
    state = (await ada.http.get(f"/v1/tasks/{task}/state")).json()
    page = await ada.http.get(path, params={"after": state["head"]})
    assert page.json() == {"data": [], "next": None, "head": 1}


async def test_a_place_in_what_was_erased_is_lost(ada, world, servers):
    task = await ada.submit()
    path = f"/v1/tasks/{task}/events"
    await world.append(ada.history(task), step("a"))
    assert (await ada.http.get(path)).status_code == 200  # it is known as a task of ada's
    await world.append(ada.history(task), TaskErased(reason="asked"), by="operator")
    tombstone = (await world.log.head(ada.history(task))).sequence
    async with connect(
        servers.nats_url,
        credentials=servers.credentials("operator"),
        name="eraser",
        keys=servers.event_keys,
    ) as connection:
        await purge_before(connection, ada.history(task), tombstone)
    for after in (0, 1):
        leads_to_the_state(await ada.http.get(path, params={"after": after}), task)


async def test_a_stream_of_events_is_one_subscription_however_long_it_is_still(
    ada, world, monkeypatch
):
    monkeypatch.setattr(routes, "COMMENT_SECONDS", 0.05)
    task = await ada.submit()
    async with ada.http.stream("GET", f"/v1/tasks/{task}/events", headers=SSE) as answer:
        lines = answer.aiter_lines()
        comments = 0
        async for line in lines:
            comments += line.startswith(":")
            if comments == 3:
                break
        await world.append(ada.history(task), step("later"))
        async for line in lines:
            if line.startswith("id: "):
                assert line == "id: 2"
                return
    raise AssertionError("the stream ended")


async def test_a_stream_of_events_ends_when_its_session_is_signed_out(ada, world, monkeypatch):
    monkeypatch.setattr(routes, "COMMENT_SECONDS", 0.05)
    task = await ada.submit()
    async with asyncio.timeout(60):
        async with ada.http.stream("GET", f"/v1/tasks/{task}/events", headers=SSE) as answer:
            session = ada.session["session"]
            assert (await ada.http.delete(f"/v1/sessions/{session}")).status_code == 204
            async for _ in answer.aiter_bytes():
                pass


async def test_a_stream_of_events_is_ended_now_and_then_and_resumed(ada, world, monkeypatch):
    monkeypatch.setattr(routes, "ROTATION_SECONDS", 0.0)
    task = await ada.submit()
    path = f"/v1/tasks/{task}/events"
    await world.append(ada.history(task), step("a"))
    async with ada.http.stream("GET", path, headers=SSE) as answer:
        told = [line async for line in answer.aiter_lines() if line.startswith("id: ")]
    last = int(told[-1].removeprefix("id: "))
    monkeypatch.undo()
    await world.append(ada.history(task), step("b"))
    resumed = {**SSE, "Last-Event-ID": str(last)}
    async with ada.http.stream("GET", path, headers=resumed) as answer:
        events = await seen(answer, 3 - last)
    assert [version for version, _ in events] == list(range(last + 1, 4))


async def test_pages_polls_and_streams_tell_the_same_bytes(ada, world):
    task = await ada.submit()
    path = f"/v1/tasks/{task}/events"
    await world.append(ada.history(task), *(step(f"s{n}") for n in range(20)))
    stored = [msgspec.json.decode(r.body) for r in await world.log.read(ada.history(task))]
    paged, after = [], 0
    while after is not None:
        page = (await ada.http.get(path, params={"after": after, "limit": 7, "wait": 1})).json()
        paged, after = paged + page["data"], page["next"]
    async with ada.http.stream("GET", path, headers=SSE) as answer:
        streamed = [event for _, event in await seen(answer, 21)]
    assert paged == streamed == stored


async def test_an_archived_task_is_out_of_the_list_until_it_is_told_to_go_on(ada, world):
    task = await ada.submit()
    is_problem(await ada.post(f"/v1/tasks/{task}/archive"), 409, "task_not_ended")
    await ada.post(f"/v1/tasks/{task}/cancel")
    done = (await ada.post(f"/v1/tasks/{task}/archive")).json()
    again = (await ada.post(f"/v1/tasks/{task}/archive")).json()
    assert again == done
    read = {"wait_version": done["version"]}
    assert (await ada.http.get(f"/v1/tasks/{task}", params=read)).json()["is_archived"]
    more = (await ada.post(f"/v1/tasks/{task}/instructions", {"text": "go on"})).json()
    read = {"wait_version": more["version"]}
    state = (await ada.http.get(f"/v1/tasks/{task}", params=read)).json()
    assert (state["phase"], state["is_archived"]) == ("queued", False)
