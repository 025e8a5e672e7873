"""Seen cursors on a real Postgres: kept per person, forward only, bounded, and walled off."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest
from websockets.asyncio.client import connect

from events import TaskErased
from events.protocol import frames
from infra.runtime.clock import utc_now
from services.gateway.stores import seen_cursors
from services.gateway.stores.database import create_pool, within
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import Device, new_history
from tests.kit.run.gateway import a_world


@pytest.fixture
async def store(world, fresh_database):
    del world
    async with create_pool(fresh_database) as pool:
        yield seen_cursors.SeenCursorStore(pool, utc_now)


def whose(person):
    return person.session["account"], person.session["person"]


def task():
    return str(new_history().task)


async def test_a_cursor_never_goes_back(store, ada):
    one, other = task(), task()
    assert await store.advance(*whose(ada), {one: 5, other: 1}) == {one: 5, other: 1}
    assert await store.advance(*whose(ada), {one: 4, other: 1}) == {}
    assert await store.advance(*whose(ada), {one: 6, other: 1}) == {one: 6}

    assert await store.read(*whose(ada)) == {one: 6, other: 1}


async def test_many_writers_at_once_agree_on_the_highest(store, ada):
    tasks = [task() for _ in range(20)]
    said = [
        dict.fromkeys(tasks if number % 2 else reversed(tasks), number) for number in range(1, 21)
    ]
    await asyncio.gather(*(store.advance(*whose(ada), cursors) for cursors in said))

    assert await store.read(*whose(ada)) == dict.fromkeys(tasks, 20)


async def test_only_what_was_looked_at_last_is_kept(store, ada, monkeypatch):
    monkeypatch.setattr(seen_cursors, "MAX_SEEN_CURSORS", 3)
    tasks = [task() for _ in range(5)]
    for each in tasks:
        await store.advance(*whose(ada), {each: 1})
    await store.advance(*whose(ada), {tasks[2]: 2})

    assert list(await store.read(*whose(ada))) == [tasks[2], tasks[4], tasks[3]]


async def test_a_person_has_their_own_and_nobody_elses(store, ada, bob, fresh_database):
    one = task()
    await store.advance(*whose(ada), {one: 5})

    assert await store.read(*whose(bob)) == {}
    account, _ = whose(bob)
    assert await store.read(account, whose(ada)[1]) == {}
    async with create_pool(fresh_database) as pool, within(pool, account) as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts.seen") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(
                "INSERT INTO accounts.seen VALUES ($1, $2, 'task_x', 1, now())", *whose(ada)
            )


async def test_a_phone_that_starts_offline_later_finds_what_was_seen(ada, bob, store):
    one = task()
    await store.advance(*whose(ada), {one: 5})

    assert (await ada.http.get("/v1/me/seen")).json() == {"cursors": {one: 5}}
    assert (await bob.http.get("/v1/me/seen")).json() == {"cursors": {}}


async def test_two_phones_at_two_gateways_show_one_truth(servers, world, ada, fresh_database):
    one = await ada.submit()
    async with (
        a_world(servers, fresh_database, public_url=world.url) as elsewhere,
        on_the_stream(world, ada, "phone") as phone,
        on_the_stream(elsewhere, ada, "tablet") as tablet,
    ):
        assert (await tablet.first("seen"))["cursors"] == {}
        await phone.say(t="seen", cursors={one: 1})
        await tablet.until(lambda device: device.all("seen")[-1]["cursors"] == {one: 1})
    async with on_the_stream(world, ada, "new") as fresh:
        assert (await fresh.first("seen"))["cursors"] == {one: 1}


@asynccontextmanager
async def on_the_stream(world, person, name):
    url = world.url.replace("http", "ws") + "/v1/stream"
    async with connect(url, subprotocols=[frames.SUBPROTOCOL]) as socket:
        device = Device(socket)
        await device.hello(person.token, subs={"inbox": 0}, device=name)
        yield device


async def test_of_an_erased_task_no_cursor_is_left(world, ada, store):
    own = await ada.submit()
    await store.advance(*whose(ada), {own: 1})
    await world.append(ada.history(own), TaskErased(reason="asked"), by="operator")

    await eventually(lambda: store.read(*whose(ada)), until=lambda known: known == {})


def test_what_is_kept_of_a_person_fits_a_frame() -> None:
    cursors = {task(): 2**53 - 1 for _ in range(frames.MAX_SEEN_CURSORS)}

    assert len(frames.encode(frames.SeenCursors(cursors))) < frames.MAX_FRAME_BYTES
