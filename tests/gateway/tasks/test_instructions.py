"""An instruction is edited and withdrawn until the agent takes it up, and not after."""

from uuid import uuid4

import pytest

from events import (
    CallId,
    InstructionEdited,
    InstructionWithdrawn,
    ModelRequested,
    QuestionAsked,
    RequestId,
    TaskCancelled,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    ToolCompleted,
)
from services.gateway.tasks.task import EditInstruction, WithdrawInstruction
from tests.gateway.kit.facts import SUBMITTED
from tests.gateway.kit.problems import is_problem
from tests.gateway.kit.scenario import Scenario

STEER, QUEUE = TaskInstructed(text="also this"), TaskInstructed(text="then that", mode="queue")
ASKS = ModelRequested(turn=1, model="m")
ASKS_STEERED = ModelRequested(turn=1, model="m", leaves_queued=True)
EDIT, WITHDRAW = EditInstruction(2, "rather this"), WithdrawInstruction(2)
EDITED = InstructionEdited(instruction=2, text="rather this")
WITHDRAWN = InstructionWithdrawn(instruction=2)
BOTH = pytest.mark.parametrize("command", [EDIT, WITHDRAW])
FINISHED = TaskFinished(summary="", outcome="branch")
ASKED = QuestionAsked(request=RequestId("req_1"), call=CallId("c"), text="Which?")


@pytest.fixture
def task():
    return Scenario()


@pytest.mark.parametrize("given", [STEER, QUEUE])
def test_an_instruction_that_waits_is_edited_and_withdrawn(task, given):
    task.given(SUBMITTED, given).when(EDIT).then(EDITED)
    task.when(WITHDRAW).then(WITHDRAWN)
    task.given(EDITED).when(WITHDRAW, cause="later").then(WITHDRAWN)


@BOTH
@pytest.mark.parametrize(("given", "asked"), [(STEER, ASKS), (STEER, ASKS_STEERED), (QUEUE, ASKS)])
def test_what_the_agent_has_taken_up_is_refused_with_when(task, command, given, asked):
    task.given(SUBMITTED, given, asked).when(command).then_refused(
        409, "instruction_taken", says=["2026-01-01 12:00:00 UTC"]
    )


def test_a_queued_instruction_still_waits_while_the_agent_goes_on_with_its_work(task):
    task.given(SUBMITTED, QUEUE, ASKS_STEERED).when(EDIT).then(EDITED)
    task.given(ASKS).when(EDIT).then_refused(409, "instruction_taken")


@BOTH
@pytest.mark.parametrize("name", [1, 3, 99])
def test_what_is_no_instruction_is_not_found(task, command, name):
    wrong = type(command)(**{**_fields(command), "instruction": name})
    task.given(SUBMITTED, STEER, ASKED).when(wrong).then_refused(404, "not_found")


def _fields(command):
    return {name: getattr(command, name) for name in command.__struct_fields__}


def test_withdrawing_twice_answers_the_first_and_editing_after_it_is_refused(task):
    task.given(SUBMITTED, STEER, ("one", WITHDRAWN)).when(WITHDRAW, cause="two").then_nothing(
        version=3
    )
    task.when(EDIT).then_refused(409, "instruction_withdrawn", says=["12:00:00 UTC"])


@BOTH
def test_a_command_sent_again_is_answered_as_the_first_was_though_the_agent_took_it_up(
    task, command
):
    fact = EDITED if command is EDIT else WITHDRAWN
    task.given(SUBMITTED, STEER, ("asked", fact), ASKS).when(command).then_nothing(version=3)


@pytest.mark.parametrize("before", [FINISHED, TaskInterrupted(), ASKED])
def test_the_instruction_that_resumed_a_task_is_edited_but_not_withdrawn(task, before):
    task.given(SUBMITTED, before, STEER).when(EditInstruction(3, "x")).then(
        InstructionEdited(instruction=3, text="x")
    )
    task.when(WithdrawInstruction(3)).then_refused(
        409, "instruction_resumed_task", says=["interrupt or cancel"]
    )
    for stopped in (TaskInterrupted(), TaskCancelled()):
        Scenario().given(SUBMITTED, before, STEER, stopped).when(WithdrawInstruction(3)).then(
            InstructionWithdrawn(instruction=3)
        )


def test_a_question_that_was_given_up_holds_no_instruction(task):
    over = ToolCompleted(call=CallId("c"), output="")
    task.given(SUBMITTED, ASKED, over, STEER).when(WithdrawInstruction(4)).then(
        InstructionWithdrawn(instruction=4)
    )


def key():
    return {"Idempotency-Key": str(uuid4())}


async def test_a_person_edits_and_withdraws_over_http(ada, world):
    task = await ada.submit("fix it")
    await ada.post(f"/v1/tasks/{task}/instructions", {"text": "one", "mode": "queue"})
    await ada.post(f"/v1/tasks/{task}/instructions", {"text": "two", "mode": "queue"})
    path = f"/v1/tasks/{task}/instructions"

    edited = await ada.http.patch(f"{path}/2", json={"text": "uno"}, headers=key())
    withdrawn = await ada.http.delete(f"{path}/3", headers=key())
    assert (edited.json()["version"], withdrawn.json()["version"]) == (4, 5)

    await world.append(ada.history(task), ASKS_STEERED)
    now = (await ada.http.get(f"/v1/tasks/{task}/state")).json()
    assert now["state"]["instructions"] == [{"version": 2, "mode": "queue", "title": "uno"}]
    assert [each["text"] for each in now["conversation"]] == ["fix it", "uno"]

    await world.append(ada.history(task), ASKS)
    late = await ada.http.patch(f"{path}/2", json={"text": "too late"}, headers=key())
    is_problem(late, 409, "instruction_taken")
    for wrong in ("1", "99", "two", "-1", "99999999999999999999"):
        gone = await ada.http.delete(f"{path}/{wrong}", headers=key())
        is_problem(gone, 404, "not_found")
    assert (await ada.http.get(f"/v1/tasks/{task}/state")).json()["state"]["instructions"] == []
