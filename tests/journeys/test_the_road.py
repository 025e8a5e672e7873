"""The whole road: from a phone's request to a pull request."""

import json

import pytest

from events import (
    AttemptStarted,
    BranchPushed,
    PullRequestOpened,
    QuestionAsked,
    TaskCancelled,
    TaskFinished,
    TaskSubmitted,
    ToolCompleted,
)
from infra.local.demo.sample_repositories import PROMPTS
from infra.local.settings import Settings
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import pull_requests, repository, signed_in, stored
from tests.kit.servers.stack import real_stack


def kinds(history):
    return [type(recorded.event) for recorded in history]


async def test_a_phone_sends_a_task_and_gets_a_pull_request(stack, phone):
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPTS["slugify"], made.url)
    seen = await phone.until_end(task["id"])

    assert isinstance(seen[0].event, TaskSubmitted)
    assert isinstance(seen[-1].event, TaskFinished), seen[-1]
    assert {ToolCompleted, BranchPushed, PullRequestOpened} <= set(kinds(seen))
    [pull_request] = await pull_requests(stack, made, task["id"])
    assert pull_request["html_url"] == next(
        r.event.url for r in seen if isinstance(r.event, PullRequestOpened)
    )


async def test_a_client_ends_with_exactly_the_events_of_the_log(stack, phone):
    made = await repository(stack, "inventory")
    task = await phone.submit(PROMPTS["inventory"], made.url)
    seen = await phone.until_end(task["id"])
    kept = await stored(stack, task)
    assert [r.body for r in seen] == [r.body for r in kept][: len(seen)]
    assert [r.version for r in kept] == list(range(1, len(kept) + 1))


async def test_a_question_is_asked_and_its_answer_followed(stack, phone):
    made = await repository(stack, "greeter")
    task = await phone.submit(PROMPTS["greeter"], made.url)
    async for recorded in phone.watch(task["id"]):
        if isinstance(recorded.event, QuestionAsked):
            path = f"/v1/tasks/{task['id']}/questions/{recorded.event.request}"
            answer = recorded.event.options[0]
            await phone.post(path, {"text": answer})
    ended = await phone.task(task["id"])
    assert ended["phase"] == "finished"
    assert ended["pull_request"]["url"]


async def test_a_cancelled_task_ends_and_its_machine_goes(stack, phone):
    made = await repository(stack, "slugify")
    task = await phone.submit("rehearse 50 tool calls of 0.5 seconds", made.url)
    async for recorded in phone.watch(task["id"]):
        if isinstance(recorded.event, ToolCompleted):
            path = f"/v1/tasks/{task['id']}/cancel"
            await phone.post(path, {"reason": "no more"})
        last = recorded
    assert isinstance(last.event, TaskCancelled)

    async def gone():
        return "machine.destroyed" in [
            json.loads(r.body)["type"] for r in await stored(stack, task)
        ]

    await eventually(gone, seconds=20)


async def test_an_unknown_prompt_is_answered_honestly_and_changes_nothing(stack, phone):
    made = await repository(stack, "slugify")
    task = await phone.submit("Write me a poem about rivers.", made.url)
    seen = await phone.until_end(task["id"])
    assert isinstance(seen[-1].event, TaskFinished)
    assert seen[-1].event.outcome == "no_changes"
    assert "rehearsal" in seen[-1].event.summary.lower()


@pytest.mark.parametrize("path", ["", "/events", "/diff", "/artifacts"])
async def test_nobody_elses_task_is_there(stack, phone, path):
    stranger = await signed_in(stack)
    unknown = "task_" + "a" * 26
    answer = await stranger.request("GET", f"/v1/tasks/{unknown}{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    await stranger.close()


@pytest.mark.docker
async def test_the_tools_run_in_docker_where_an_engine_is(tmp_path):
    with real_stack(tmp_path, Settings(sandbox="docker")) as other:
        phone = await signed_in(other)
        async with phone.gateway:
            made = await repository(other, "slugify")
            task = await phone.submit(PROMPTS["slugify"], made.url)
            seen = await phone.until_end(task["id"])
            assert isinstance(seen[-1].event, TaskFinished), seen[-1]
            started = next(r.event for r in seen if isinstance(r.event, AttemptStarted))
            assert started.sandbox == "docker"
            assert len(await pull_requests(other, made, task["id"])) == 1
