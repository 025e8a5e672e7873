import pytest

from events import (
    TaskCancelled,
    TaskFinished,
    TaskInstructed,
    task_id,
)
from infra.log.event_log import Conflict
from services.gateway.problems import Refused
from tests.gateway.kit.commands import ADA, BOB, ONE, THREE, CommandHarness


@pytest.fixture
def harness():
    return CommandHarness()


async def test_a_submit_makes_the_task_whose_id_follows_from_the_command(harness):
    performed = await harness.submit()
    assert performed.task == task_id(ADA.account, ONE)
    assert performed.version == 1
    [recorded] = harness.log.recorded
    assert (recorded.by, recorded.cause) == ("person:per_a", ONE)


async def test_a_submit_sent_again_is_answered_alike_after_a_restart(harness):
    first = await harness.submit()
    harness.commands = harness.restarted()
    assert await harness.submit(ONE.upper()) == first
    assert len(harness.log.recorded) == 1


async def test_the_same_id_in_two_accounts_is_two_tasks(harness):
    assert (await harness.submit()).task != (await harness.submit(principal=BOB)).task


async def test_a_lost_race_is_decided_again(harness):
    task = (await harness.submit()).task
    harness.log.before_next_append(
        lambda: harness.others_append(task, TaskFinished(summary="", outcome="branch"))
    )
    performed = await harness.say(task, "cancel")
    assert performed.version == 2
    assert not any(isinstance(event, TaskCancelled) for event in harness.events(task))


async def test_a_race_lost_again_and_again_is_given_up_and_may_be_tried_later(harness):
    task = (await harness.submit()).task
    for _ in range(20):
        harness.log.fail_next_append(Conflict())
    with pytest.raises(Refused) as refused:
        await harness.say(task, "instruct", text="x")
    assert refused.value.problem.status == 503
    assert refused.value.problem.retryable


async def test_when_the_answer_was_lost_the_repeat_finds_the_fact(harness):
    task = (await harness.submit()).task
    harness.log.fail_next_append(is_stored=True)
    with pytest.raises(Refused) as refused:
        await harness.say(task, "instruct", text="x")
    assert (refused.value.problem.status, refused.value.retry_after_seconds > 0) == (503, True)
    assert (await harness.say(task, "instruct", text="x")).version == 2
    assert harness.events(task)[1:] == [TaskInstructed(text="x")]


@pytest.mark.parametrize("op", ["instruct", "cancel", "interrupt"])
async def test_another_accounts_task_is_not_there(harness, op):
    task = (await harness.submit()).task
    arguments = {"text": "x"} if op == "instruct" else {}
    with pytest.raises(Refused) as refused:
        await harness.say(task, op, principal=BOB, **arguments)
    assert refused.value.problem.status == 404


@pytest.mark.parametrize("task", ["", "task_x", "*", ">", "task_*", "a.b", None])
async def test_what_is_no_task_id_never_reaches_the_log(harness, task):
    with pytest.raises(Refused) as refused:
        await harness.say(task, "cancel")
    assert refused.value.problem.status == 404


@pytest.mark.parametrize("command_id", ["", "1", "x" * 36, "{" + ONE + "}", ONE.replace("-", "")])
async def test_a_command_needs_a_uuid(harness, command_id):
    with pytest.raises(Refused) as refused:
        await harness.submit(command_id)
    assert (refused.value.problem.status, refused.value.problem.code) == (400, "command_id_invalid")


async def test_a_version_is_answered_though_nothing_was_appended(harness):
    task = (await harness.submit()).task
    await harness.say(task, "cancel")
    assert (await harness.say(task, "cancel", THREE)).version == 2
