"""Asked before a risky call: allowed from the terminal, denied over HTTP, answered too late."""

import pytest

from clients.cli.errors import CliError
from events import ApprovalRequested, ModelReplied, TaskFinished, ToolCompleted
from tests.kit.run.errand_command import errand
from tests.kit.run.phone import repository

PROMPT = "Clear away what running the tests leaves behind."


async def asked_to_remove(stack, phone, answer):
    """Run the task; `answer` is awaited with its request. Returns its events."""
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPT, made.url, policy="risky")
    seen = []
    async for recorded in phone.watch(task["id"]):
        seen.append(recorded)
        if isinstance(recorded.event, ApprovalRequested):
            waiting = await phone.get(f"/v1/tasks/{task['id']}", wait_version=recorded.version)
            assert (waiting["phase"], waiting["waiting"]) == ("waiting", "approval")
            await answer(task["id"], recorded.event)
    assert isinstance(seen[-1].event, TaskFinished), seen[-1]
    return task["id"], seen


def said_last(seen):
    replies = [r.event for r in seen if isinstance(r.event, ModelReplied)]
    return replies[-1].blocks[-1]["text"]


async def test_what_a_person_allows_at_the_terminal_is_done(stack, phone, tmp_path):
    async def answer(task, request):
        shown = await errand(stack, phone, tmp_path, "show", task)
        assert "Needs approval" in shown
        assert "rm -rf" in shown
        other = await errand(stack, phone, tmp_path, "approve", task, "req_another", code=1)
        assert "has another pending approval" in other
        both = await errand(stack, phone, tmp_path, "approve", task, "--deny", "--for-task", code=2)
        assert "--for-task and --deny cannot be combined" in both
        await errand(stack, phone, tmp_path, "approve", task, request.request)

    task, seen = await asked_to_remove(stack, phone, answer)
    assert "gone" in said_last(seen)
    [request] = [r.event for r in seen if isinstance(r.event, ApprovalRequested)]

    late = {"digest": request.digest, "verdict": "deny"}
    path = f"/v1/tasks/{task}/approvals/{request.request}"
    with pytest.raises(CliError, match="allowed already"):
        await phone.post(path, late)
    assert "has no pending approval" in await errand(
        stack, phone, tmp_path, "approve", task, code=1
    )


async def test_what_a_person_denies_is_not_done_and_the_model_is_told(stack, phone):
    async def answer(task, request):
        body = {"digest": request.digest, "verdict": "deny", "reason": "they are mine"}
        path = f"/v1/tasks/{task}/approvals/{request.request}"
        await phone.post(path, body)

    _, seen = await asked_to_remove(stack, phone, answer)
    told = [r.event.output for r in seen if isinstance(r.event, ToolCompleted)]
    assert "they are mine" in told[-1]
    assert "they stay" in said_last(seen)
