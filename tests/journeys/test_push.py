"""Notifications on the whole stack: from a question of the agent to a browser that can read it."""

import pytest

from events import QuestionAsked
from infra.local.demo.sample_repositories import PROMPTS
from tests.kit.fakes.push_services import push_world
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import repository, signed_in, stored
from tests.kit.servers.stack import real_stack


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
        key = (await phone.get("/v1/push/key"))["vapid_public_key"]
        browser = outside.browser(key)
        body = {"kind": "web", "subscription": browser.subscription}
        device = await phone.post("/v1/devices", body)

        def shown(task):
            """The classes of the task's pushes in order, a repeated push once."""
            read = [push["notification"] for push in outside.to(browser)]
            ids = {n["data"]["push"]: n["data"]["class"] for n in read if n["tag"] == task["id"]}
            return list(ids.values())

        made = await repository(stack, "greeter")
        task = await phone.submit(PROMPTS["greeter"], made.url)
        question = await asked(stack, task)
        await stack.kill("gateway")
        await eventually(lambda: shown(task), seconds=60)
        read = outside.to(browser)[0]["notification"]
        assert read["data"]["version"] == str(question.version)
        assert (
            read["navigate"] == f"{stack.gateway_url}/t/{task['id']}?ask={question.event.request}"
        )

        path = f"/v1/tasks/{task['id']}/cancel"
        await phone.post(path, {"reason": "no more"})
        await eventually(lambda: shown(task), until=lambda s: s[-1] == "withdrawn", seconds=60)
        assert shown(task) == ["needs_input", "withdrawn"]

        async def logged():
            page = await phone.get(f"/v1/devices/{device['id']}/pushes")
            return page["data"]

        log = await eventually(
            logged, until=lambda log: {push["state"] for push in log} == {"accepted"}, seconds=60
        )
        assert [push["class"] for push in log] == ["withdrawn", "needs_input"]
        tries = sum(len(push["attempts"]) for push in log)  # two, unless killed while sending
        assert tries == len(outside.to(browser)) <= 3
