"""The log and the wire carry exactly the shapes that the documents describe."""

import asyncio
import json
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect as websocket
from websockets.typing import Subprotocol

from clients.cli.gateway.client import new_command_id
from events import History
from infra.local.demo.sample_repositories import PROMPTS
from infra.log.jetstream import connect, subscribe_live
from infra.log.jetstream.connection.api import STREAM
from tests.kit.laws.documents import require_message, require_stored
from tests.kit.run.phone import repository, stored

ENDS = {"task.finished", "task.failed", "task.abandoned"}


class Wire:
    """A bare device: it says only what is documented, and believes nothing that is not."""

    def __init__(self, socket):
        self._socket = socket
        self._items = []
        self.seen = []

    async def say(self, **said):
        require_message(said["t"], said)
        await self._socket.send(json.dumps(said))

    async def item(self):
        """The next item of the next frame."""
        while not self._items:
            frame = json.loads(await asyncio.wait_for(self._socket.recv(), 60))
            require_message("frame", frame)
            self._items += frame
        self.seen.append(self._items.pop(0))
        return self.seen[-1]

    async def until(self, kind):
        """The next item with this `t`."""
        while (item := await self.item()).get("t") != kind:
            pass
        return item


@asynccontextmanager
async def device(phone):
    url = phone.gateway.url.replace("http", "ws", 1) + "/v1/stream"
    protocol = Subprotocol("errand.v1+json")
    async with websocket(url, subprotocols=[protocol], compression=None) as socket:
        wire = Wire(socket)
        device = {"id": "documents", "name": "bare", "platform": "test"}
        await wire.say(t="hello", v=1, token=phone.gateway.token, device=device, vis="active")
        await wire.until("welcome")
        yield wire


async def headers_of(stack, events):
    """The headers under which events are stored."""
    credentials = stack.credentials("analytics")
    async with connect(stack.nats_url, credentials=credentials, name="test") as connection:
        log = connection.client.jetstream()
        return [(await log.get_msg(STREAM, seq=event.sequence)).headers for event in events]


async def test_every_stored_event_of_a_real_run_is_what_its_document_says(stack, phone):
    made = await repository(stack, "inventory")
    task = await phone.submit(PROMPTS["inventory"], made.url)
    await phone.until_end(task["id"])

    kept = await stored(stack, task)

    assert len({type(recorded.event) for recorded in kept}) > 10
    for recorded, headers in zip(kept, await headers_of(stack, kept), strict=True):
        event = json.loads(recorded.body)
        require_stored(recorded.body)
        require_message(event["type"], event)
        require_message(event["type"], headers, what="headers")
        assert headers["Errand-Schema"] == str(event.get("schema", 1))


async def test_the_stream_says_only_what_is_documented(stack, phone):
    made = await repository(stack, "greeter")
    async with device(phone) as wire:
        body = {"prompt": PROMPTS["greeter"], "repository": {"url": made.url}}
        await wire.say(t="cmd", id=new_command_id(), op="submit", args=body)
        task = (await wire.until("ack"))["task"]
        await wire.say(t="sub", task=task, version=0)
        while (item := await wire.item()).get("type") not in ENDS:
            if item.get("type") == "question.asked":
                args = {"request": item["request"], "text": item["options"][0]}
                await wire.say(t="cmd", id=new_command_id(), op="answer", task=task, args=args)
        await wire.say(t="cmd", id=new_command_id(), op="cancel", task="task_" + "a" * 26, args={})
        await wire.until("nak")
        await wire.say(t="sub", task="task_" + "a" * 26, version=7)
        await wire.until("reset")
        await wire.say(t="unsub", task=task)
        await wire.say(t="pong")

    events = [item for item in wire.seen if "t" not in item]
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    assert {"welcome", "ack", "live", "eph", "nak", "reset"} <= {i.get("t") for i in wire.seen}


async def test_a_worker_beats_and_shows_as_documented(stack, phone):
    made = await repository(stack, "slugify")
    heard = {"beat": [], "live": []}
    credentials = {"beat": "scheduler", "live": "projector"}

    async def listen(kind):
        async with connect(
            stack.nats_url, credentials=stack.credentials(credentials[kind]), name="test"
        ) as connection:
            async for history, said in subscribe_live(connection, f"{kind}.>", until=until):
                heard[kind].append((history, said))

    until = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for kind in heard:
            group.create_task(listen(kind))
        task = await phone.submit(PROMPTS["slugify"], made.url)
        await phone.until_end(task["id"])
        until.set()

    mine = History(task["account"], task["id"])
    for kind, message in (("beat", "beat"), ("live", "eph")):
        said = [json.loads(payload) for history, payload in heard[kind] if history == mine]
        assert said, f"no {kind} was heard"
        for one in said:
            require_message(message, one)
