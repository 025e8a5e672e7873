"""Gateway and broker do not hold each other up: either is killed, and the other's work goes on."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from websockets.asyncio.client import connect

from events import AttemptStarted, TaskFinished, ToolCompleted
from events.protocol import frames
from services.gateway.http.asgi import STREAM
from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import Device
from tests.kit.run.phone import ENDS, Phone, pull_requests, repository, stored
from tests.kit.servers.stack import RealStack

PROMPT = "rehearse 12 tool calls of 0.2 seconds"
CALLS = 12
LONG = 120


@asynccontextmanager
async def one_connection(stack: RealStack, phone: Phone, task: str) -> AsyncIterator[Device]:
    """A phone on the stream that does not connect again when it is cut off."""
    url = stack.gateway_url.replace("http:", "ws:") + STREAM
    async with connect(
        url,
        subprotocols=[frames.SUBPROTOCOL],  # type: ignore[list-item]
        compression=None,
        max_size=None,
        proxy=None,
    ) as socket:
        device = Device(socket)
        await device.hello(phone.gateway.token, subs={task: 0})
        yield device


def count(device: Device, kind: str) -> int:
    return sum(event["type"] == kind for event in device.events)


async def test_the_stream_does_not_notice_a_killed_broker_and_the_worker_asks_again(stack, phone):
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPT, made.url)
    gateway, broker = stack.pid("gateway"), stack.pid("broker")
    async with one_connection(stack, phone, task["id"]) as device:
        await device.until(lambda seen: count(seen, "tool.completed") >= 2, seconds=LONG)
        await stack.kill("broker")
        await device.until(lambda seen: count(seen, "task.finished"), seconds=LONG)
        assert device.versions == list(range(1, len(device.versions) + 1))
    assert stack.pid("gateway") == gateway
    assert stack.pid("broker") != broker
    assert count(device, "attempt.started") == 1
    assert count(device, "tool.completed") >= CALLS
    assert len(await pull_requests(stack, made, task["id"])) == 1


async def test_a_worker_goes_on_while_the_gateway_is_away(stack, phone):
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPT, made.url)
    history = partial(stored, stack, task)
    await eventually(
        history,
        until=lambda seen: sum(isinstance(r.event, ToolCompleted) for r in seen) >= 2,
        seconds=LONG,
    )
    os.kill(stack.pid("gateway"), signal.SIGKILL)
    async with halted(stack, "gateway"):
        seen = await eventually(
            history, until=lambda seen: any(isinstance(r.event, ENDS) for r in seen), seconds=LONG
        )
        assert len(await pull_requests(stack, made, task["id"])) == 1
    events = [recorded.event for recorded in seen]
    assert len([e for e in events if isinstance(e, AttemptStarted)]) == 1
    assert len([e for e in events if isinstance(e, ToolCompleted)]) >= CALLS
    assert any(isinstance(e, TaskFinished) for e in events)
    async with one_connection(stack, phone, task["id"]) as device:  # the gateway is back
        await device.until(lambda told: count(told, "task.finished"))
