"""Runs a task while something is killed at given points of its history, and judges the end.

A point is a kind of event, which is met at the first one at which there is something to kill, or
the version of one event. The task writes several files per reply. Whatever is killed when, it
finishes with all of them on one branch, one pull request, a whole log, equal ledgers and read
models, and no machine left.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import httpx
import nats
import psutil

from events import AccountId, History, Recorded, TaskId, codec
from tests.faults.judge import (
    history_of,
    judge_branch,
    judge_ledgers,
    judge_log,
    judge_pull_requests,
    judge_read_models,
    machines_of,
)
from tests.kit.laws.replays import assert_replays
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import Phone, repository
from tests.kit.servers.stack import RealStack

T = TypeVar("T")
Point = int | str
CHAPTERS = int(os.environ.get("CHAPTERS", "1"))
PROMPT = f"Write {CHAPTERS} chapters of 3 pages."
BOOK = {
    f"book/{number:04}-{page}.md": f"Page {page} of {number:04}.\n"
    for number in range(1, 3 * CHAPTERS, 3)
    for page in (1, 2, 3)
}
SWEEP = os.environ.get("SWEEP", "kinds")
"""The points to kill at: "kinds" is every kind of event once, "all" every event once, and a
number every event so often."""
KILLS_PER_TASK = (4, 2, 1)
"""In the first round, and in those that make up for the events at which nothing ran to be killed:
a program that was killed again and again is started again after a pause."""
AT_ONCE = 3
TASK_SECONDS = 180


async def run_with_kills(
    stack: RealStack, phone: Phone, points: Sequence[Point], target: str
) -> list[Point]:
    """Run a task to its end and judge it; kill `target` as the events of these points appear.

    Returns the points at which a process was really killed.
    """
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPT, made.url)
    killed: list[Point] = []
    async with asyncio.timeout(TASK_SECONDS), aclosing(versions(stack, task)) as coming:
        async for version, kind in coming:
            met = [point for point in (version, kind) if point in points and point not in killed]
            if met and await kill(stack, target, task["id"]):
                killed += met
            if kind in ("task.finished", "task.failed", "task.abandoned"):
                break
    await judge(stack, made, task)
    return killed


async def versions(stack: RealStack, task: dict[str, Any]) -> AsyncGenerator[tuple[int, str]]:
    """Yield version and type of a task's events as they come to stand in the log."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.admin_credentials()))
    try:
        subject = f"events.{task['account']}.{task['id']}"
        coming = await client.jetstream().subscribe(subject, ordered_consumer=True)
        async for message in coming.messages:
            event = json.loads(message.data)
            yield event["version"], event["type"]
    finally:
        await client.close()


async def kill(stack: RealStack, target: str, task: str) -> bool:
    if target != "worker":
        try:
            os.kill(stack.pid(target), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True
    found = False
    for process in psutil.Process(stack.pid("machines")).children(recursive=True):
        try:
            is_worker = "services.worker" in process.cmdline()
            if is_worker and process.environ().get("TASK_ID") == task:
                process.kill()
                found = True
        except psutil.Error:
            continue
    return found


async def judge(stack: RealStack, made: Any, task: dict[str, Any]) -> None:
    """Judge a task once its machines are gone and that stands in the log."""
    await eventually(lambda: machines_of(stack, task["id"]), until=lambda left: not left)
    events = await eventually(lambda: history_of(stack, task), until=is_settled)
    try:
        judge_log(events)
        await asyncio.to_thread(assert_replays, decoded(events))
        await asyncio.to_thread(judge_branch, made, task["id"], BOOK)
        await judge_pull_requests(stack, made, task["id"])
        await eventually(lambda: judge_ledgers(stack, task), until=is_none)
        await eventually(lambda: judge_read_models(stack, task, events), until=is_none)
    except AssertionError as error:
        trace = [(event["version"], event["type"]) for event in events]
        raise AssertionError(f"{task['id']}: {error}\n{trace}") from error


def decoded(events: Sequence[dict[str, Any]]) -> list[Recorded]:
    """Return a history as the services read it."""
    history = History(AccountId(""), TaskId(events[0]["task"]))
    return [codec.decode(history, 0, json.dumps(event).encode()) for event in events]


def is_settled(events: list[dict[str, Any]]) -> bool:
    started = {e["machine"] for e in events if e["type"] == "machine.started"}
    return started <= {e["machine"] for e in events if e["type"] == "machine.destroyed"}


def is_none(seen: None) -> bool:
    return seen is None


async def in_turns(work: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Do what is asked, a few at once; return the answers."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(each: Callable[[], Awaitable[T]]) -> T:
        async with places:
            return await each()

    async with asyncio.TaskGroup() as group:
        running = [group.create_task(one(each)) for each in work]
    return [each.result() for each in running]


async def sweeps(stack: RealStack, phone: Phone) -> list[list[Point]]:
    """Run the task undisturbed; return the points before its end, sweep by sweep, as SWEEP says."""
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPT, made.url)
    kinds: list[str] = []
    async with asyncio.timeout(TASK_SECONDS), aclosing(versions(stack, task)) as coming:
        async for _, kind in coming:
            if kind == "task.finished":
                break
            kinds.append(kind)
    if SWEEP == "kinds":
        return [list(dict.fromkeys(kinds))]
    return [list(range(1, len(kinds) + 1))] * (1 if SWEEP == "all" else int(SWEEP))


async def kill_at_every_point(stack: RealStack, phone: Phone, target: str) -> None:
    """Kill a service at every point of the task, in as many tasks as that takes."""
    for points in await sweeps(stack, phone):
        missed = points
        for kills_per_task in KILLS_PER_TASK:
            tasks = -(-len(missed) // kills_per_task)
            killed: list[Point] = []
            for chosen in [missed[first::tasks] for first in range(tasks)]:
                killed += await run_with_kills(stack, phone, chosen, target)
                await eventually(lambda: serves(stack, target), seconds=60)
            missed = [point for point in missed if point not in killed]
        print(f"{target} killed at all of {points} but {missed}")
        assert missed == []


async def serves(stack: RealStack, target: str) -> bool:
    """Return whether the service runs; for gateway and broker, whether they say they are ready."""
    addresses = {"gateway": stack.gateway_url, "broker": stack.broker_url}
    try:
        os.kill(stack.pid(target), 0)
        if target in addresses:
            async with httpx.AsyncClient(base_url=addresses[target], trust_env=False) as client:
                return (await client.get("/health/ready")).is_success
    except (ProcessLookupError, httpx.TransportError):
        return False
    return True
