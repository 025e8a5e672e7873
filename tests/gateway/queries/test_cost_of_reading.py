"""Reading a long history costs what is returned: events that the gateway decodes, counted."""

from contextlib import asynccontextmanager

import pytest

from events import ArtifactStored, Blob
from tests.kit.probe.decoded_events import counted_reads
from tests.kit.run.gateway import a_world
from tests.kit.run.opened_task import grow, open_task

EVENTS = 3_000


@asynccontextmanager
async def another_gateway(servers, database, person):
    """A gateway that has read nothing yet, and a client of the same person."""
    public_url = person.world.url  # the same installation: its tokens are good here too
    async with a_world(servers, database, public_url=public_url) as other:
        yield await other.client(person.token)


@pytest.fixture
async def long_task(world, ada):
    """A task with a long history, and where that is."""
    task = await ada.submit()
    await grow(world.log, ada.history(task), EVENTS)
    return task, ada.history(task)


async def test_a_phone_that_opens_a_long_task_has_each_event_decoded_once(
    servers, fresh_database, ada, long_task
):
    task, history = long_task
    async with another_gateway(servers, fresh_database, ada) as http:
        with counted_reads() as reads:
            assert await open_task(http, ada.token, task, EVENTS) == list(range(1, EVENTS + 1))
            assert reads.of(history) <= EVENTS + 5
        with counted_reads() as reads:
            assert await open_task(http, ada.token, task, EVENTS) == list(range(1, EVENTS + 1))
            assert reads.of(history) <= 5


async def test_whether_a_task_is_the_callers_own_costs_no_history(
    servers, fresh_database, ada, long_task
):
    task, history = long_task
    async with another_gateway(servers, fresh_database, ada) as http:
        with counted_reads() as reads:
            for what in ("usage", "machines"):
                await http.get(f"/v1/tasks/{task}/{what}")
            assert reads.of(history) <= 5


async def test_what_a_task_stored_is_read_on_from_where_it_was_read(
    servers, fresh_database, world, ada, long_task
):
    task, history = long_task
    key = f"tasks/{task}/a"
    async with another_gateway(servers, fresh_database, ada) as http:
        path = f"/v1/tasks/{task}/artifacts"
        assert (await http.get(path)).json() == {"data": []}
        blob = Blob(key=key, sha256="0" * 64, size_bytes=1)
        stored = ArtifactStored(name="a.txt", media_type="text/plain", blob=blob)
        await world.append(history, stored)
        with counted_reads() as reads:
            [artifact] = (await http.get(path)).json()["data"]
            assert (artifact["name"], artifact["version"]) == ("a.txt", EVENTS + 1)
            await http.get(f"/v1/tasks/{task}/diff")
            await http.get(f"/v1/tasks/{task}/files")
            assert reads.of(history) <= 10


async def test_a_page_of_a_history_that_nobody_read_yet_costs_a_page(
    servers, fresh_database, ada, long_task
):
    task, history = long_task
    async with another_gateway(servers, fresh_database, ada) as http:
        with counted_reads() as reads:
            page = await http.get(f"/v1/tasks/{task}/events", params={"limit": 10})
            assert [event["version"] for event in page.json()["data"]] == list(range(1, 11))
            assert (page.json()["next"], page.json()["head"]) == (10, EVENTS)
            assert reads.of(history) <= 100
