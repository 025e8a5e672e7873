"""Notifications on the whole stack: from a question of the agent to a browser that can read it."""

import time

import pytest

from clients.cli.gateway import new_command
from events import QuestionAsked
from infra.stack.sample_repositories import PROMPTS
from tests.support.eventually import eventually
from tests.support.push import push_world
from tests.support.stack import real_stack
from tests.support.whole import repository, signed_in, stored


@pytest.fixture
async def outside(tmp_path):
    async with push_world(tmp_path) as made:
        yield made


@pytest.fixture
def pushing_stack(outside, tmp_path):
    """A whole stack that was told of the push services; its VAPID key is its own."""
    told = {name.upper(): value for name, value in outside.variables.items()}
    with real_stack(tmp_path / "stack", environment=told) as running:
        yield running


async def asked(stack, task):
    """Wait until the agent asks; tell the question and its version."""

    async def question():
        found = [r for r in await stored(stack, task) if isinstance(r.event, QuestionAsked)]
        return found[0] if found else None

    return await eventually(question, seconds=60)


async def test_a_question_rings_once_whoever_dies_and_is_withdrawn(pushing_stack, outside):
    stack = pushing_stack
    phone = await signed_in(stack)
    async with phone.gateway:
        key = (await phone.gateway.get("/v1/push/key"))["vapid_public_key"]
        browser = outside.browser(key)
        body = {"kind": "web", "subscription": browser.subscription}
        device = await phone.gateway.post("/v1/devices", body)

        def shown(task):
            read = [push["notification"] for push in outside.to(browser)]
            return [n["data"]["class"] for n in read if n["tag"] == task["id"]]

        made = await repository(stack, "greeter")
        first = await phone.submit(PROMPTS["greeter"], made.url)
        question = await asked(stack, first)
        began = time.monotonic()
        await eventually(lambda: shown(first), seconds=30)
        print(f"rang {time.monotonic() - began:.1f} s after the question was seen in the log")
        [read] = outside.to(browser)
        assert read["notification"]["data"]["version"] == str(question.version)
        assert read["notification"]["navigate"] == f"{stack.gateway_url}/tasks/{first['id']}"

        path = f"/v1/tasks/{first['id']}/questions/{question.event.request}"
        answer = {"text": question.event.options[0]}
        await phone.gateway.post(path, answer, command=new_command())
        await eventually(lambda: shown(first), until=lambda s: s[-1] == "done", seconds=60)
        assert shown(first) in (["needs_input", "withdrawn", "done"], ["needs_input", "done"])

        second = await phone.submit(PROMPTS["greeter"], made.url)
        await asked(stack, second)
        await stack.kill("gateway")
        await eventually(lambda: shown(second), seconds=60)

        path = f"/v1/tasks/{second['id']}/cancel"
        await phone.gateway.post(path, {"reason": "no more"}, command=new_command())
        await eventually(lambda: shown(second), until=lambda s: s[-1] == "withdrawn", seconds=30)
        assert shown(second) == ["needs_input", "withdrawn"]

        log = (await phone.gateway.get(f"/v1/devices/{device['id']}/pushes"))["data"]
        sent = [push["class"] for push in log if push["state"] == "accepted"]
        assert sorted(sent) == sorted(shown(first) + shown(second))
