"""Model calls through the broker: a gateway with a rehearsal model, a worker, and its calls."""

import json
from collections import Counter
from contextlib import asynccontextmanager

from tests.kit.build.model_requests import VERSION
from tests.kit.probe.eventually import eventually
from tests.kit.probe.spend import calls, spend_limits
from tests.kit.run.gateway import a_world

MESSAGES = "/broker/model/v1/messages"
HEADERS = {"anthropic-version": VERSION, "content-type": "application/json"}
HELLO = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello"}],
}


def request_body(**changes):
    return json.dumps({**HELLO, **changes}).encode()


async def call_model(worker, body):
    return await worker.post(MESSAGES, content=body, headers=HEADERS)


@asynccontextmanager
async def gateway_with_model(servers, database, model):
    known = {"model_base_url": model.url, "model_api_key": model.key}
    async with a_world(servers, database, **known) as world:
        yield world, await world.person("ada")


async def task_with_worker(world, ada, **more):
    task = await ada.submit(**more)
    return task, await world.worker(await world.attempt(ada.history(task)))


async def closed_call_states(database):
    async def states():
        return Counter(call["state"] for call in await calls(database))

    found = await eventually(states, until=lambda each: "open" not in each, seconds=30)
    assert all(reserved == 0 for _, reserved in (await spend_limits(database)).values())
    return found
