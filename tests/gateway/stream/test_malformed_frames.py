"""Whatever is said to the stream has a defined answer; nobody else is hurt, and nothing is kept.

FRAMES (2000) says how many malformed frames, SEED (7) which.
"""

import asyncio
import json
import os
import re
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import islice
from pathlib import Path

import httpx
import psutil
import pytest
import redis.asyncio as redis
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import ConnectionClosed

from events import PlanItem, PlanUpdated
from events.protocol import frames
from infra.log.jetstream import JetStreamLog, connect
from tests.gateway.kit.process import environment, free_port, spawn
from tests.kit.build.malformed_frames import Frame, malformed
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import Device, serving
from tests.kit.run.gateway import World, settings_for

FRAMES = int(os.environ.get("FRAMES", "2000"))
SEED = int(os.environ.get("SEED", "7"))
WARM_UP = 300
CALLERS = 4
A_CONNECTION = 12
GROWTH_BYTES = 50 * 1024 * 1024
PROTOCOL = Path("docs/reference/protocol.md").read_text()
CODES = {int(code) for code in re.findall(r"^\| (\d{4}) \|", PROTOCOL, re.MULTILINE)}
CUT = 1006
"""The close code seen when a reset of the connection came first."""
SILENT = {"pong", "seen", "vis", "unsub", "sub"}
"""Frames that may be well-formed by chance, and are not answered then."""


@asynccontextmanager
async def a_gateway(servers, database):
    """A gateway in a process of its own; hands out its URL, its process and what it says."""
    port, said = free_port(), bytearray()
    process = await spawn(environment(settings_for(servers, database, port)))

    async def receive():
        while content := await process.stderr.read(65536):
            said.extend(content)

    async with asyncio.TaskGroup() as group:
        group.create_task(receive())
        try:
            async with httpx.AsyncClient(trust_env=False) as http:

                async def ready():
                    with suppress(httpx.TransportError):
                        return (await http.get(f"http://127.0.0.1:{port}/health/ready")).is_success

                await eventually(ready, seconds=60)
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid), said
        finally:
            process.kill()
            await process.wait()


def told_of(device: Device) -> list[str]:
    """The tasks of which it was told that they are not there."""
    return [each["task"] for each in device.all("reset")]


async def listen(phone: Device) -> None:
    """Keep a phone on the line."""
    while True:
        if any(item.get("t") == "ping" for item in await phone.take()):
            await phone.say(t="pong")


class Caller:
    """Says malformed frames, and takes note of how each was answered."""

    def __init__(self, url: str, token: str, name: str) -> None:
        self._url = url.replace("http", "ws", 1) + "/v1/stream"
        self._token = token
        self._name = name
        self.answers: dict[str, int] = {}

    async def say_all(self, said: list[Frame]) -> None:
        """Send them, on every other connection before hello."""
        is_known = False
        while said:
            is_known = not is_known
            connecting = connect_socket(
                self._url,
                subprotocols=[frames.SUBPROTOCOL],
                compression=None,
                max_size=None,
                ping_interval=None,
            )
            async with asyncio.timeout(120), connecting as socket:
                device = Device(socket)
                if is_known:
                    await device.hello(self._token, device=self._name)
                    await device.first("welcome", seconds=60)
                    await self._say_some(device, said)
                else:
                    frame = said.pop()
                    await device.socket.send(frame.content, text=frame.is_text)
                    await device.end(seconds=60)
                    self._note_end(device, frame)

    async def _say_some(self, device: Device, said: list[Frame]) -> None:
        """Send frames, each followed by something harmless, while the connection lives."""
        for number in range(min(A_CONNECTION, len(said))):
            frame, mark, before = said.pop(), f"mark-{number}", len(device.told)
            try:
                await device.socket.send(frame.content, text=frame.is_text)
                if not (frame.is_too_long or frame.is_no_text):
                    await device.say(t="sub", task=mark)
                await device.until(lambda it, m=mark: m in told_of(it), seconds=60)
            except ConnectionClosed:
                await device.end(seconds=60)
                self._note_end(device, frame)
                return
            told = [each.get("t") for each in device.told[before:-1]]
            if not told:
                assert json.loads(frame.content.decode(errors="replace"))["t"] in SILENT, frame
            self._note(str(told[0]) if told else "well-formed by chance")

    def _note_end(self, device: Device, frame: Frame) -> None:
        code = device.socket.close_code
        assert code in CODES or (code == CUT and frame.is_too_long), (code, frame)
        self._note(str(int(code)))

    def _note(self, answer: str) -> None:
        self.answers[answer] = self.answers.get(answer, 0) + 1


@pytest.mark.timeout(300 + FRAMES // 10)
def all_answers(callers: list[Caller]) -> dict[str, int]:
    """Return how often each answer was given, over all callers."""
    answers: dict[str, int] = {}
    for caller in callers:
        for answer, count in caller.answers.items():
            answers[answer] = answers.get(answer, 0) + count
    return answers


async def test_every_frame_is_answered_and_no_other_client_is_hurt(servers, fresh_database):
    is_over = asyncio.Event()  # redis-py may make a lost connection of a cancellation
    async with AsyncExitStack() as held:
        url, process, said = await held.enter_async_context(a_gateway(servers, fresh_database))
        live = await held.enter_async_context(redis.Redis.from_url(servers.redis_url))
        operator = servers.credentials("operator")
        nats = await held.enter_async_context(
            connect(servers.nats_url, credentials=operator, name="test", keys=servers.event_keys)
        )
        world = World(
            url, JetStreamLog(nats), await held.enter_async_context(AsyncExitStack()), live
        )
        ada, eve = await world.person("ada"), await world.person("eve")
        history = ada.history(await ada.submit())

        async def grow():
            while not is_over.is_set():
                await world.append(history, PlanUpdated(items=(PlanItem("On", "active"),)))
                await asyncio.sleep(0.1)

        async def say(count: int, seed: int) -> list[Caller]:
            callers = [Caller(url, eve.token, f"caller-{n}") for n in range(CALLERS)]
            source = malformed(seed)
            async with asyncio.TaskGroup() as calling:
                for caller in callers:
                    calling.create_task(caller.say_all(list(islice(source, count // CALLERS))))
            return callers

        async with (
            connect_socket(
                url.replace("http", "ws", 1) + "/v1/stream", compression=None, max_size=None
            ) as socket,
            asyncio.TaskGroup() as group,
        ):
            phone = Device(socket)
            await phone.hello(ada.token, subs={history.task: 0})
            await phone.version(1, seconds=60)
            growing = group.create_task(grow())
            listening = group.create_task(listen(phone))
            try:
                await say(WARM_UP, SEED + 1)
                before_bytes = process.memory_info().rss
                callers = await say(FRAMES, SEED)
                grown_bytes = process.memory_info().rss - before_bytes
            finally:
                is_over.set()
            await growing
            head = (await world.log.head(history)).version
            await eventually(lambda: phone.versions[-1] >= head, seconds=60)
            listening.cancel()

    answers = all_answers(callers)
    print(f"\n{FRAMES} frames: {dict(sorted(answers.items()))}; grown {grown_bytes / 2**20:.1f} MB")
    assert sum(answers.values()) == FRAMES // CALLERS * CALLERS
    assert {"4500", "1007", "1009", "nak"} <= set(answers)
    assert phone.versions == list(range(1, head + 1))
    assert grown_bytes < GROWTH_BYTES
    assert b"Traceback" not in said, said.decode()[-4000:]


@pytest.mark.parametrize(
    "content",
    [b"\x8b\x80abcd", b"\x81\x02{}", b"\xf1\x80abcd"],
    ids=["an opcode that there is not", "not masked", "reserved bits"],
)
async def test_what_is_no_frame_at_all_ends_with_1002(servers, content):
    async with serving(servers.redis_url) as place, place.device() as phone:
        await phone.first("welcome")
        phone.socket.transport.write(content)

        code, _ = await phone.end()

    assert code == 1002
