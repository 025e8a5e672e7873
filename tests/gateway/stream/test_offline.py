"""A phone that was away comes back: what it kept is said in order, once, and answered as ever."""

import asyncio
import random
from contextlib import aclosing
from datetime import timedelta

import pytest

from clients.cli.gateway.client import Gateway, new_command_id
from clients.cli.protocol.reconnect_policy import StreamTimings
from clients.cli.stream.client import Stream
from clients.cli.stream.command_sender import Acknowledged, Rejected
from clients.cli.stream.items import CaughtUp
from clients.cli.stream.outbox import Outbox, command
from events import (
    QuestionAnswered,
    QuestionAsked,
    TaskFinished,
    TaskInstructed,
    TaskSubmitted,
)
from infra.runtime.clock import DraftFactory, utc_now
from tests.kit.faults.network_link import wire
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import REPOSITORY

QUICK = StreamTimings(min_pause_seconds=0.05, max_pause_seconds=0.2)
ASKED = QuestionAsked(request="req_1", call="call_1", text="Which colour?")


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "outbox.sqlite", "gateway")


async def come_back(url, person, outbox):
    """Connect, and stay until everything kept is answered; return the answers by command."""
    answers = {}
    async with Gateway(url, person.token) as gateway:
        stream = Stream(gateway, device="phone", tasks={}, outbox=outbox, timings=QUICK)
        async with aclosing(stream.items()) as items, asyncio.timeout(90):
            while outbox.first() is not None:
                answer = await anext(items)
                answers[answer.command] = answer
    return answers


async def said(world, person, task):
    stored = await world.log.read(person.history(task))
    return [r.event.text for r in stored if isinstance(r.event, TaskInstructed)]


async def test_after_a_day_everything_is_said_in_order_and_late_answers_are_explained(
    world, ada, outbox
):
    task = await ada.submit()
    await world.append(ada.history(task), ASKED)
    words = {
        "ack lost": command(new_command_id(), "instruct", {"text": "First"}, task=task),
        "answer": command(
            new_command_id(), "answer", {"request": "req_1", "text": "Blue"}, task=task
        ),
        "budget": command(new_command_id(), "budget", {"cost_microusd": 5}, task=task),
        "more": command(new_command_id(), "instruct", {"text": "Second"}, task=task),
        "new": command(
            new_command_id(), "submit", {"prompt": "Third", "repository": {"url": REPOSITORY}}
        ),
        "cancel": command(new_command_id(), "cancel", {}, task=task),
        "nonsense": command(new_command_id(), "dance", {}, task=task),
    }
    path = f"/v1/tasks/{task}/instructions"
    lost = await ada.post(path, {"text": "First"}, words["ack lost"].id)
    assert lost.status_code == 200, lost.text

    yesterday = utc_now() - timedelta(days=1)
    world.draft_factory = DraftFactory(lambda: yesterday)
    answered = QuestionAnswered(request="req_1", text="Green")
    await world.append(ada.history(task), answered, by="person:other")
    await world.append(ada.history(task), TaskFinished(summary="Done", outcome="no_changes"))
    for word in words.values():
        outbox.keep(word)

    answers = await come_back(world.url, ada, outbox)

    assert list(answers) == [word.id for word in words.values()]
    by_name = {name: answers[word.id] for name, word in words.items()}
    assert by_name["ack lost"] == Acknowledged(words["ack lost"].id, task, lost.json()["version"])
    late = by_name["answer"]
    assert (late.is_final, late.problem.status) == (True, 409)
    assert f"answered at {yesterday:%Y-%m-%d %H:%M:%S} UTC with “Green”" in late.problem.detail
    assert "Send an instruction" in late.problem.detail
    assert "The task is finished already" in by_name["budget"].problem.detail
    assert by_name["nonsense"].problem.code == "unknown_op"
    assert await said(world, ada, task) == ["First", "Second"]
    [new] = await world.log.read(ada.history(by_name["new"].task))
    assert isinstance(new.event, TaskSubmitted)

    for word in words.values():  # a phone restored from a backup says it all again
        outbox.keep(word)
    again = await come_back(world.url, ada, outbox)

    assert {k: v for k, v in again.items() if isinstance(v, Acknowledged)} == {
        k: v for k, v in answers.items() if isinstance(v, Acknowledged)
    }
    assert isinstance(again[words["answer"].id], Rejected)
    assert await said(world, ada, task) == ["First", "Second"]


async def test_a_command_whose_ack_is_lost_gets_the_first_answer(world, ada, outbox):
    task = await ada.submit()
    once = command(new_command_id(), "instruct", {"text": "Once"}, task=task)
    async with wire() as line, Gateway(line.url, ada.token) as gateway:
        line.lead_to(world.url)

        async def hear_again():
            await eventually(lambda: said(world, ada, task), seconds=30)
            line.cut()
            line.is_deaf = False

        stream = Stream(gateway, device="d", tasks={task: 0}, outbox=outbox, timings=QUICK)
        async with aclosing(stream.items()) as items, asyncio.TaskGroup() as group:
            async for item in items:
                if isinstance(item, CaughtUp) and outbox.first() is None:
                    line.is_deaf = True
                    group.create_task(hear_again())
                    stream.send_command(once)
                elif isinstance(item, Acknowledged):
                    break

    assert item == Acknowledged(once.id, task, 2)
    assert line.connections == 2
    assert await said(world, ada, task) == ["Once"]


async def test_on_a_line_that_breaks_at_any_moment_nothing_is_lost_or_said_twice(
    world, ada, outbox
):
    task = await ada.submit()
    words = [f"word {number}" for number in range(30)]
    kept = [command(new_command_id(), "instruct", {"text": word}, task=task) for word in words]
    for each in kept:
        outbox.keep(each)
    chance = random.Random(4)
    async with wire() as line, asyncio.TaskGroup() as group:
        line.lead_to(world.url)

        async def break_it():
            while True:
                await asyncio.sleep(chance.uniform(0.05, 0.5))
                line.is_deaf = chance.random() < 0.5
                await asyncio.sleep(0.02 * line.is_deaf)
                line.cut()
                line.is_deaf = False

        breaking = group.create_task(break_it())
        answers = await come_back(line.url, ada, outbox)
        breaking.cancel()

    assert line.connections > 1
    assert [answers[each.id].version for each in kept] == list(range(2, 32))
    assert await said(world, ada, task) == words
