"""G13: what is too much is refused with 429 and a time to wait; what was accepted is in the log."""

import asyncio
from uuid import uuid4

import pytest

from events import TaskInstructed
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import a_world

PER_MINUTE = 60  # so one more each second
SENT = 70


@pytest.fixture
async def world(servers, fresh_database):
    async with a_world(servers, fresh_database, commands_a_minute=PER_MINUTE) as made:
        yield made


async def instructions(world, history):
    """Return the texts of the instructions that stand in the log, in order."""
    read = await world.log.read(history, after=0)
    return [each.event.text for each in read if isinstance(each.event, TaskInstructed)]


async def test_a_burst_over_the_limit_gets_429_and_nothing_accepted_is_lost(world):
    ada = await world.person("ada")
    task = await ada.submit()
    accepted, refused = [], []
    for number in range(SENT):
        body, key = {"text": f"instruction {number}"}, str(uuid4())
        answer = await ada.post(f"/v1/tasks/{task}/instructions", body, key)
        if answer.status_code == 429:
            refused.append((body, key))
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["retryable"] is True
        else:
            assert answer.is_success, answer.text
            accepted.append(body["text"])
    assert refused
    assert await instructions(world, ada.history(task)) == accepted

    for body, key in refused:
        while (again := await ada.post(f"/v1/tasks/{task}/instructions", body, key)).is_error:
            assert again.status_code == 429, again.text
            await asyncio.sleep(int(again.headers["Retry-After"]))
        accepted.append(body["text"])
    assert await instructions(world, ada.history(task)) == accepted


async def test_one_persons_burst_delays_nobody_else(world):
    ada, bob = await world.person("ada"), await world.person("bob")
    task = await ada.submit()
    answers = [
        await ada.post(f"/v1/tasks/{task}/instructions", {"text": str(number)})
        for number in range(SENT)
    ]
    assert any(answer.status_code == 429 for answer in answers)

    theirs = await bob.submit()

    read = await eventually(
        lambda: world.log.read(bob.history(theirs), after=0), until=lambda found: len(found) > 0
    )
    assert read[0].event.prompt == "fix it"
