import asyncio

import msgspec

from events import CallId, MachineId, TaskId
from events.protocol.heartbeat import Heartbeat
from services.worker.effects.heartbeat import HeartbeatSender
from services.worker.effects.live_output import LiveOutput
from tests.kit.probe.eventually import eventually


class PublishedItems(list):
    async def __call__(self, body):
        self.append(msgspec.json.decode(body))


async def test_pieces_that_come_together_are_said_together():
    heard = PublishedItems()
    live = LiveOutput(TaskId("t"), heard)
    show = live.reply(2)

    show("thinking", 0, "hm")
    show("text", 1, "Hel")
    show("text", 1, "lo")
    await live.flush()
    show("text", 1, " you")
    await live.flush()

    assert [(i["kind"], i["block"], i["offset"], i["text"]) for i in heard] == [
        ("thinking", "2.0", 0, "hm"),
        ("text", "2.1", 0, "Hello"),
        ("text", "2.1", 5, " you"),
    ]
    assert heard[0]["t"] == "eph"
    assert heard[0]["task"] == "t"


async def test_a_reply_asked_for_again_starts_over():
    heard = PublishedItems()
    live = LiveOutput(TaskId("t"), heard)

    live.reply(1)("text", 0, "lost")
    await live.flush()
    live.reply(1)("text", 0, "found")
    await live.flush()

    assert [i["offset"] for i in heard] == [0, 0]


async def test_output_is_shown_by_call_even_when_a_character_comes_in_two_pieces():
    heard = PublishedItems()
    live = LiveOutput(TaskId("t"), heard)
    show = live.output(CallId("c"))

    show("é".encode()[:1])
    show("é".encode()[1:] + b"!")
    await live.flush()

    assert [(i["kind"], i["block"], i["text"]) for i in heard] == [("output", "c", "é!")]


async def test_of_a_flood_only_the_newest_is_shown_at_its_place():
    heard = PublishedItems()
    live = LiveOutput(TaskId("t"), heard)

    live.output(CallId("c"))(b"x" * 100_000)
    await live.flush()

    [item] = heard
    assert item["offset"] + len(item["text"]) == 100_000
    assert len(item["text"]) == 16_000


async def test_live_items_come_at_most_25_times_a_second():
    heard = PublishedItems()
    live = LiveOutput(TaskId("t"), heard)
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(live.run(over))
        show = live.reply(1)
        began = asyncio.get_running_loop().time()
        for _ in range(100):
            show("text", 0, "x")
            await asyncio.sleep(0.002)
        took = asyncio.get_running_loop().time() - began
        await eventually(lambda: sum(len(i["text"]) for i in heard) == 100)
        running.cancel()

    assert len(heard) <= 25 * took + 3


async def test_beats_say_who_lives_and_at_once_when_a_reader_is_needed():
    heard = PublishedItems()
    reader = [1]
    beats = HeartbeatSender(
        heard,
        lambda: Heartbeat(attempt=1, machine=MachineId("m"), version=4, reader=reader[0]),
        lambda: False,
    )
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(beats.run())
        await eventually(lambda: len(heard) == 1)
        reader[0] = 2
        beats.ask(2)
        await eventually(lambda: len(heard) == 2)
        beating.cancel()

    assert heard == [
        {"attempt": 1, "machine": "m", "version": 4, "reader": 1},
        {"attempt": 1, "machine": "m", "version": 4, "reader": 2},
    ]
