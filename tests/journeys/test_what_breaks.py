"""Whatever is killed on the way, the task ends finished: one branch, one pull request, no gap."""

import asyncio

import pytest
import redis.asyncio as redis

from events import AttemptStarted, MachineLost, TaskFinished, ToolCompleted
from tests.kit.run.phone import kill_workers, pull_requests, repository, stored

PROMPT = "rehearse 12 tool calls of 0.2 seconds"
RESTARTED = ["nats", "postgres", "redis", "gateway", "broker", "scheduler", "projector"]


async def carried_through(stack, phone, break_it, *, calls_before=2):
    """Run a task, break something once so many tool calls have ended, and watch to the end."""
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPT, made.url)
    seen, calls = [], 0
    async with asyncio.TaskGroup() as group, asyncio.timeout(120):
        async for recorded in phone.watch(task["id"]):
            seen.append(recorded)
            if isinstance(recorded.event, ToolCompleted):
                calls += 1
                if calls == calls_before:
                    group.create_task(break_it())
    kept = await stored(stack, task)
    assert isinstance(seen[-1].event, TaskFinished), seen[-1]
    assert [r.body for r in seen] == [r.body for r in kept][: len(seen)]
    assert len(await pull_requests(stack, made, task["id"])) == 1
    return seen


async def test_a_killed_worker_is_replaced(stack, phone):
    async def kill():
        assert kill_workers(stack) == 1

    seen = await carried_through(stack, phone, kill)
    events = [recorded.event for recorded in seen]
    assert [e.attempt for e in events if isinstance(e, AttemptStarted)] == [1, 2]
    assert any(isinstance(e, MachineLost) for e in events)


@pytest.mark.parametrize("name", RESTARTED)
async def test_a_task_outlives_a_restart_of(stack, phone, name):
    seen = await carried_through(stack, phone, lambda: stack.restart(name))
    assert len([r for r in seen if isinstance(r.event, ToolCompleted)]) >= 12


@pytest.mark.parametrize("name", RESTARTED)
async def test_a_task_outlives_kill_9_of(stack, phone, name):
    await carried_through(stack, phone, lambda: stack.kill(name))


async def test_a_task_outlives_an_emptied_redis(stack, phone):
    async def flush():
        client = redis.Redis.from_url(stack.redis_url)
        await client.flushall()
        await client.aclose()

    await carried_through(stack, phone, flush)
