"""Frames a device on the stream receives: real sockets on a real server, a real Redis."""

import asyncio
import json
from typing import Any

import pytest

from events.protocol.api.requests import InstructionRequest
from infra.log.event_log import Unavailable
from services.gateway.stream.session import StreamTimeouts
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import new_history, serving
from tests.kit.servers.stack import RealServers

COMMAND = "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11"


async def test_a_hello_is_welcomed(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.device() as phone:
        welcome = await phone.first("welcome")

    assert welcome["heartbeat_ms"] == 25_000
    assert welcome["limits"] == {"frame_bytes": 65536, "subs": 128}
    assert phone.socket.subprotocol == "errand.v1+json"


async def test_a_device_gets_what_it_misses_then_hears_that_it_is_live_then_the_news(
    servers: RealServers,
) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.grow(history, 5)
        async with place.device(subs={history.task: 2}) as phone:
            live = await phone.first("live")
            assert live == {"t": "live", "task": history.task, "version": 5}
            assert phone.versions == [3, 4, 5]
            assert phone.told[-1] == live

            await place.logbook.append(history)
            await phone.version(6, seconds=2)

    stored = [json.loads(recorded.body) for recorded in place.logbook.log.recorded]
    assert phone.events == stored[2:]


async def test_the_bytes_sent_are_the_bytes_stored(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.append(history, 'é "quoted"  spaced')
        async with place.connection() as phone:
            await phone.hello("token", subs={history.task: 0})
            async with asyncio.timeout(10):
                while True:
                    text = await phone.socket.recv()
                    if place.logbook.log.recorded[0].body.decode() in text:
                        break


async def test_a_device_that_comes_back_gets_every_event_once(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.grow(history, 3)
        async with place.device(subs={history.task: 0}) as phone:
            await phone.first("live")
        seen = phone.versions
        await place.logbook.grow(history, 3)
        async with place.device(subs={history.task: seen[-1]}) as phone:
            await phone.first("live")

    assert seen + phone.versions == [1, 2, 3, 4, 5, 6]


async def test_tasks_are_subscribed_to_and_left(servers: RealServers) -> None:
    one, other = new_history(), new_history()
    async with serving(servers.redis_url) as place, place.device() as phone:
        for history in (one, other):
            await place.logbook.append(history)
            await phone.say(t="sub", task=history.task, version=0)
        await phone.until(lambda device: len(device.all("live")) == 2)
        await phone.say(t="unsub", task=one.task)
        await eventually(lambda: place.watchers, until=lambda count: count == 1)
        await place.logbook.append(one)
        await place.logbook.append(other)
        await phone.until(lambda device: device.versions.count(2) == 1)

    assert [(event["task"], event["version"]) for event in phone.events] == [
        (one.task, 1),
        (other.task, 1),
        (other.task, 2),
    ]


async def test_subscribing_again_goes_on_from_the_version_said(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.grow(history, 4)
        async with place.device(subs={history.task: 0}) as phone:
            await phone.first("live")
            await phone.say(t="sub", task=history.task, version=2)
            await phone.until(lambda device: len(device.all("live")) == 2)

    assert phone.versions == [1, 2, 3, 4, 3, 4]


async def test_passing_items_are_passed_on(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.append(history)
        async with place.device(subs={history.task: 0}) as phone:
            await phone.first("live")
            item = {"t": "eph", "task": history.task, "kind": "text", "block": "1.0", "text": "Hi"}
            await place.logbook.hint(history, json.dumps(item).encode())
            assert await phone.first("eph") == item


async def test_a_task_that_is_not_there_is_reset(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place, place.device(subs={history.task: 0}) as phone:
        assert await phone.first("reset") == {
            "t": "reset",
            "task": history.task,
            "head": 0,
            "reason": "not_found",
        }
        assert place.hub._feeds == {}


async def test_a_task_id_of_another_shape_is_not_found(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.device() as phone:
        await phone.say(t="sub", task="task_.>", version=0)
        assert (await phone.first("reset"))["reason"] == "not_found"


async def test_another_accounts_task_is_not_found(servers: RealServers) -> None:
    theirs = new_history("acc_2")
    async with serving(servers.redis_url) as place:
        place.tokens.add("other", account="acc_2", person="per_2")
        await place.logbook.append(theirs)
        async with (
            place.device("other", subs={theirs.task: 0}) as owner,
            place.device(subs={theirs.task: 0}) as stranger,
        ):
            await owner.first("live")
            assert (await stranger.first("reset"))["reason"] == "not_found"
            await place.logbook.append(theirs)
            await owner.version(2)
            await stranger.say(t="cmd", id=COMMAND, op="nothing")
            await stranger.first("nak")

    assert stranger.events == []


async def test_a_version_the_log_has_not_is_a_position_lost(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.grow(history, 2)
        async with place.device(subs={history.task: 9}) as phone:
            reset = await phone.first("reset")

    assert (reset["reason"], reset["head"]) == ("position_lost", 2)


async def test_a_device_ahead_of_redis_keeps_its_position(servers: RealServers) -> None:
    """It read the newest events over HTTP before Redis brought them here."""
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.grow(history, 2)
        async with place.device(subs={history.task: 0}) as first:
            await first.first("live")
            await place.logbook.grow(history, 2, is_told=False)
            async with place.device(subs={history.task: 4}, device="d2") as phone:
                assert (await phone.first("live"))["version"] == 4

    assert phone.all("reset") == []


async def test_a_task_submitted_just_now_is_found_though_redis_said_nothing(
    servers: RealServers,
) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place, place.device(subs={history.task: 0}) as phone:
        await phone.first("reset")
        await place.logbook.append(history, is_told=False)
        await phone.say(t="sub", task=history.task, version=0)
        await phone.version(1)


async def test_a_log_that_is_away_says_so_and_the_rest_goes_on(
    servers: RealServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = new_history(), new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.append(other)
        head = place.logbook.log.head

        async def away(history: Any) -> Any:
            if history == one:
                raise Unavailable("away")
            return await head(history)

        monkeypatch.setattr(place.logbook.log, "head", away)
        async with place.device(subs={one.task: 0, other.task: 0}) as phone:
            assert (await phone.first("reset"))["reason"] == "unavailable"
            await phone.version(1)


async def test_who_is_too_far_behind_is_sent_to_the_pages_and_then_left_in_peace(
    servers: RealServers,
) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.grow(history, 2600, is_told=False)
        async with place.device(subs={history.task: 3}) as phone:
            behind = await phone.first("behind")
            await place.logbook.append(history)
            await phone.say(t="cmd", id=COMMAND, op="nothing")
            await phone.first("nak")
            assert phone.events == []

            await phone.say(t="sub", task=history.task, version=2600)
            await phone.first("live")

    assert behind == {
        "t": "behind",
        "task": history.task,
        "after": 3,
        "head": 2600,
        "url": f"/v1/tasks/{history.task}/events?after=3",
    }
    assert phone.versions == [2601]


async def test_who_is_a_page_behind_the_ring_is_sent_that_page_from_the_log(
    servers: RealServers,
) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.grow(history, 2100, is_told=False)
        async with place.device(subs={history.task: 3}) as phone:
            await phone.first("live")

    assert phone.versions == list(range(4, 2101))


async def test_much_to_send_comes_in_frames_of_a_bounded_size(servers: RealServers) -> None:
    histories = [new_history() for _ in range(12)]
    async with serving(servers.redis_url) as place:
        for history in histories:
            for _ in range(4):
                await place.logbook.append(history, "x" * 40_000, is_told=False)
        async with place.device(subs={history.task: 0 for history in histories}) as phone:
            longest = 0
            async with asyncio.timeout(20):
                while len(phone.all("live")) < len(histories):
                    longest = max(longest, len(json.dumps(await phone.take())))

    assert len(phone.events) == 48
    assert longest < 400_000


async def test_a_command_is_acknowledged_with_its_place(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.append(history)
        async with place.device() as phone:
            await phone.say(
                t="cmd", id=COMMAND, task=history.task, op="instruct", args={"text": "go"}
            )
            ack = await phone.first("ack")

    assert ack == {"t": "ack", "id": COMMAND, "task": history.task, "version": 2}
    assert place.performer.asked == [(COMMAND, InstructionRequest(text="go"))]


async def test_a_command_refused_is_answered_with_the_problem(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.device() as phone:
        await phone.say(t="cmd", id=COMMAND, op="dance")
        nak = await phone.first("nak")
        await phone.say(t="cmd", id="2", op="instruct", task="not a task")
        await phone.until(lambda device: len(device.all("nak")) == 2)

    assert nak["id"] == COMMAND
    assert (nak["problem"]["status"], nak["problem"]["code"]) == (400, "unknown_op")
    assert phone.all("nak")[1]["problem"]["status"] == 404
    assert place.performer.asked == []


async def test_with_each_heartbeat_a_device_is_told_what_it_should_have(
    servers: RealServers,
) -> None:
    history = new_history()
    patience = StreamTimeouts(ping_interval_seconds=0.5)
    async with serving(servers.redis_url, patience=patience) as place:
        await place.logbook.append(history)
        async with place.device(subs={history.task: 0}) as phone:
            while len(phone.all("head")) < 3:
                await place.logbook.grow(history, 5)
                while not any(item.get("t") == "ping" for item in await phone.take()):
                    pass
                await phone.say(t="pong")

    known = 0
    for item in phone.told:
        if "t" not in item:
            known = item["version"]
        elif item["t"] == "head":
            assert item["versions"][history.task] == known


async def test_everyone_ends_at_the_head_though_redis_says_nothing(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url, check_seconds=0.2) as place:
        await place.logbook.append(history)
        async with place.device(subs={history.task: 0}) as phone:
            await phone.first("live")
            await place.logbook.grow(history, 3, is_told=False)
            await phone.version(4)

    assert phone.versions == [1, 2, 3, 4]
