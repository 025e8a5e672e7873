"""Seen cursors: what a person has seen on one device is seen on all of them."""

from contextlib import AsyncExitStack, asynccontextmanager

from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import RememberedCursors, new_history, serving
from tests.kit.servers.stack import RealServers

INBOX = {"inbox": 0}
ONE, OTHER = str(new_history().task), str(new_history().task)


@asynccontextmanager
async def two_gateways(servers: RealServers):
    """Two gateways of one installation: one Redis, one store of cursors."""
    store = RememberedCursors()
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(serving(servers.redis_url, seen_store=store))
            for _ in range(2)
        ]


def cursors(device):
    known = {}
    for frame in device.all("seen"):
        known |= {task: max(at, known.get(task, 0)) for task, at in frame["cursors"].items()}
    return known


async def knows(device, **wanted):
    await device.until(lambda device: device.all("seen") and cursors(device) == wanted["cursors"])


async def test_a_person_sees_on_the_tablet_what_was_seen_on_the_phone(servers: RealServers) -> None:
    async with two_gateways(servers) as (here, there):
        async with here.device(subs=INBOX) as phone, there.device(subs=INBOX) as tablet:
            await knows(phone, cursors={})
            await knows(tablet, cursors={})
            await phone.say(t="seen", cursors={ONE: 7})
            await knows(tablet, cursors={ONE: 7})
            await tablet.say(t="seen", cursors={ONE: 5, OTHER: 2})
            await knows(phone, cursors={OTHER: 2})

        async with there.device(subs=INBOX, device="new") as fresh:
            await knows(fresh, cursors={ONE: 7, OTHER: 2})
            assert len(fresh.all("seen")) == 1


async def test_two_devices_at_one_gateway_tell_each_other(servers: RealServers) -> None:
    async with (
        serving(servers.redis_url) as place,
        place.device(subs=INBOX) as phone,
        place.device(subs=INBOX, device="d2") as tablet,
    ):
        await knows(tablet, cursors={})
        await phone.say(t="seen", cursors={ONE: 3})
        await knows(tablet, cursors={ONE: 3})


async def test_another_person_is_sent_nothing_of_it(servers: RealServers) -> None:
    async with two_gateways(servers) as (here, there):
        there.tokens.add("eve", person="per_eve")
        async with here.device(subs=INBOX) as phone, there.device("eve", subs=INBOX) as eve:
            await knows(eve, cursors={})
            await phone.say(t="seen", cursors={ONE: 7})
            await eventually(lambda: here.seen_store.cursors.get("per_1"), until=bool)
            await eve.say(t="seen", cursors={OTHER: 1})
            await eventually(lambda: here.seen_store.cursors.get("per_eve"), until=bool)
            await eve.say(t="sub", task="inbox")
            await eve.until(lambda device: len(device.all("seen")) == 2)

    assert cursors(eve) == {OTHER: 1}


async def test_a_device_that_does_not_watch_the_list_is_not_sent_cursors(
    servers: RealServers,
) -> None:
    async with (
        serving(servers.redis_url) as place,
        place.device(subs=INBOX) as phone,
        place.device(subs=INBOX, device="d2") as tablet,
    ):
        await knows(tablet, cursors={})
        await tablet.say(t="unsub", task="inbox")
        await tablet.say(t="sub", task="nonsense")
        await tablet.first("reset")  # so the list is left by now
        await phone.say(t="seen", cursors={ONE: 3})
        await eventually(lambda: place.seen_store.cursors.get("per_1"), until=bool)
        await tablet.say(t="sub", task="inbox")
        await tablet.until(lambda device: len(device.all("seen")) == 2)

    assert [frame["cursors"] for frame in tablet.all("seen")] == [{}, {ONE: 3}]


async def test_what_is_said_while_the_database_is_away_is_kept_for_it(servers: RealServers) -> None:
    async with two_gateways(servers) as (here, there):
        here.seen_store.is_away = True
        async with here.device(subs=INBOX) as phone, there.device(subs=INBOX) as tablet:
            await phone.say(t="seen", cursors={ONE: 7})
            await phone.say(t="seen", cursors={ONE: 6, OTHER: 1})
            await phone.say(t="sub", task="nonsense")
            await phone.first("reset")  # a database that is away holds nothing up
            assert phone.all("seen") == tablet.all("seen") == []
            here.seen_store.is_away = False
            await knows(tablet, cursors={ONE: 7, OTHER: 1})


async def test_what_redis_lost_comes_when_it_is_back(servers: RealServers) -> None:
    async with (
        two_gateways(servers) as (here, there),
        here.device(subs=INBOX) as phone,
        there.device(subs=INBOX) as tablet,
    ):
        await knows(tablet, cursors={})
        async with halted(servers, "redis") as resume:
            await phone.say(t="seen", cursors={ONE: 7})
            await eventually(lambda: here.seen_store.cursors.get("per_1"), until=bool)
            await resume()
        await tablet.until(lambda device: cursors(device) == {ONE: 7}, seconds=30)


async def test_nonsense_in_the_channel_ends_nothing(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.device(subs=INBOX) as phone:
        await knows(phone, cursors={})
        for payload in (b"", b"per_1", b"per_1 {", b"\xff \xff", b'per_1 {"a":"b"}', b"per_1 []"):
            await place.logbook.redis.publish("people:seen", payload)
        await place.logbook.redis.publish("people:seen", b'per_1 {"%b":3}' % ONE.encode())
        await knows(phone, cursors={ONE: 3})
