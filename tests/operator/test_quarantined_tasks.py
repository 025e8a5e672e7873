"""An operator and a task that a release with a fault cannot fold: `errand deadletters`, for real.

The stack's own scheduler is halted, and one with a fault in its fold of two tasks takes its place.
"""

import asyncio
import sys
from contextlib import asynccontextmanager

import psutil
import pytest

from events import (
    AttemptStarted,
    MachineDestroyed,
    QuestionAsked,
    TaskAbandoned,
)
from infra.local.demo.sample_repositories import PROMPTS
from infra.log.jetstream.dead_letters.letters import open_dead_letters
from tests.kit.probe.eventually import eventually
from tests.kit.run.operator_commands import operate, operator_environment
from tests.kit.run.phone import repository, signed_in, stored
from tests.kit.servers.nats_connections import as_role

FAULTY = """
import os, runpy
from services.scheduler.fleet import state as fleet

advance = fleet.advance

def faulty(task, recorded, heard_at):
    if recorded.task in os.environ["FAULTY_TASKS"] and recorded.version > 4:
        raise KeyError("a fault of this release")
    return advance(task, recorded, heard_at)

fleet.advance = faulty
runpy.run_module("services.scheduler", run_name="__main__")
"""


@asynccontextmanager
async def faulty_scheduler(stack, tasks):
    """Run the release with the fault instead of the stack's scheduler."""
    running = psutil.Process(stack.pid("scheduler"))
    environment, directory = running.environ(), running.cwd()
    await stack.halt("scheduler")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        FAULTY,
        env={**environment, "FAULTY_TASKS": " ".join(tasks)},
        cwd=directory,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
        assert process.returncode is None, "one task ended the scheduler"
    finally:
        process.kill()
        await process.wait()
        await stack.resume("scheduler")


class Operator:
    """The commands, as they are typed."""

    def __init__(self, stack, folder):
        self._stack = stack
        self._environment = operator_environment(stack, folder)
        self._folder = folder

    async def says(self, *words, code=0):
        return await operate(self._environment, self._folder, "deadletters", *words, code=code)

    async def open_dead_letters(self, task):
        """Return a task's dead letters that nobody has settled."""
        async with as_role(self._stack, "operator") as log:
            return [
                each for each in await open_dead_letters(log) if each.subject.endswith(task["id"])
            ]

    async def letter(self, task):
        """The one letter of a task, once it is there."""
        [letter] = await eventually(
            lambda: self.open_dead_letters(task), until=bool, seconds=60, every_seconds=0.2
        )
        return letter


@pytest.fixture
def operator(stack, tmp_path):
    return Operator(stack, tmp_path)


@pytest.fixture
async def phone(stack):
    phone = await signed_in(stack)
    async with phone.gateway:
        yield phone


async def asking(stack, phone):
    """Submit a task; return it once it waits for an answer."""
    made = await repository(stack, "greeter")
    task = await phone.submit(PROMPTS["greeter"], made.url)
    async for recorded in phone.watch(task["id"]):
        if isinstance(recorded.event, QuestionAsked):
            return task
    raise AssertionError("It did not ask.")


async def is_quarantined(stack, phone, task):
    """Wait until the task is shown as failed, and its machine is gone."""

    async def shown():
        return await phone.task(task["id"])

    async def facts():
        return [recorded.event for recorded in await stored(stack, task)]

    seen = await eventually(shown, until=lambda seen: seen["phase"] == "failed", seconds=60)
    assert seen["failure"]["reason"] == "history_unreadable"
    assert "errand deadletters" in seen["failure"]["remedy"]
    await eventually(
        facts, until=lambda all_: any(isinstance(each, MachineDestroyed) for each in all_)
    )
    [abandoned] = [each for each in await facts() if isinstance(each, TaskAbandoned)]
    assert "a fault of this release" in abandoned.detail


async def goes_on_to_its_end(phone, task):
    """Instruct it, answer what it asks again, and see it finish on another machine."""
    path = f"/v1/tasks/{task['id']}"
    await phone.post(f"{path}/instructions", {"text": "Go on."})
    last = None
    async with asyncio.timeout(90):
        async for recorded in phone.watch(task["id"]):
            if isinstance(recorded.event, QuestionAsked) and recorded.by == "worker:2":
                answer = f"{path}/questions/{recorded.event.request}"
                await phone.post(answer, {"text": "friend"})
            if isinstance(recorded.event, AttemptStarted):
                last = recorded
    assert last is not None
    assert last.by == "worker:2"
    assert (await phone.task(task["id"]))["phase"] == "finished"


async def test_a_quarantined_task_is_skipped_or_retried_and_goes_on_when_its_cause_is_gone(
    stack, phone, operator
):
    skipped, retried = await asking(stack, phone), await asking(stack, phone)

    async with faulty_scheduler(stack, [skipped["id"], retried["id"]]):
        for task in (skipped, retried):
            await is_quarantined(stack, phone, task)
        one, other = await operator.letter(skipped), await operator.letter(retried)
        for letter in (one, other):
            assert letter.reader == "scheduler"
            assert letter.reason.startswith("quarantined: ")
        listed = await operator.says("list")
        assert skipped["id"] in listed
        assert retried["id"] in listed
        assert "a fault of this release" in await operator.says("show", str(one.number))

        said = await operator.says("skip", str(one.sequence))
        assert f"Skipped at {one.sequence} for: scheduler" in said
        assert "stays in quarantine" in said
        assert await operator.open_dead_letters(skipped) == []
        said = await operator.says("skip", str(one.sequence), code=1)
        assert "No reader has parked anything" in said
        assert "There is no letter" in await operator.says("retry", str(one.number), code=1)

    # The fault is gone: the stack's own scheduler runs again.
    said = await operator.says("retry", str(other.number))
    assert f"of {retried['id']}" in said
    assert "Settled" in said
    assert "sends an instruction" in said
    assert await operator.open_dead_letters(retried) == []
    await goes_on_to_its_end(phone, retried)

    # What was skipped stays as it is shown, can be put away, and is not listed again.
    assert (await phone.task(skipped["id"]))["phase"] == "failed"
    assert await operator.open_dead_letters(skipped) == []
    path = f"/v1/tasks/{skipped['id']}"
    await phone.post(f"{path}/archive", {})
    assert (await phone.task(skipped["id"]))["is_archived"]


async def test_what_was_skipped_is_not_listed_again_by_a_release_that_still_has_the_fault(
    stack, phone, operator
):
    task, control = await asking(stack, phone), await asking(stack, phone)
    async with faulty_scheduler(stack, [task["id"]]):
        letter = await operator.letter(task)
        await operator.says("skip", str(letter.sequence))

    async with faulty_scheduler(stack, [task["id"], control["id"]]):
        await operator.letter(control)  # parked after it met the first again
        assert await operator.open_dead_letters(task) == []


@pytest.mark.parametrize("verb", ["show", "retry", "drop", "skip"])
async def test_a_number_that_is_nobodys_is_refused_with_what_to_do(operator, verb):
    said = await operator.says(verb, "987654321", code=1)
    assert "987654321" in said
    assert "errand deadletters list" in said
    said = await operator.says(verb, "0", code=2)
    assert "Invalid value" in said
    assert f"deadletters {verb}" in said
