"""kill -9 of worker, gateway, scheduler and projector at every event of a task's history.

A task writes several files per reply. Whatever is killed when, it finishes with all of them on one
branch, one pull request, a whole log, equal ledgers and read models, and no machine left.

The ordinary run kills at every event once. SWEEP=n repeats it n times.
"""

import asyncio
import os
import signal
from collections.abc import Iterable, Sequence
from typing import Any

import psutil
import pytest

from events import AccountId, History, TaskId
from infra.jetstream import JetStreamLog, connect
from tests.faults.judge import (
    history_of,
    judge_branch,
    judge_ledgers,
    judge_log,
    judge_pull_requests,
    judge_read_models,
    machines_of,
)
from tests.support.eventually import eventually
from tests.support.stack import RealStack
from tests.support.whole import Phone, repository, signed_in

CHAPTERS = 2
PROMPT = f"Write {CHAPTERS} chapters of 3 pages."
BOOK = {
    f"book/{number:04}-{page}.md": f"Page {page} of {number:04}.\n"
    for number in range(1, 3 * CHAPTERS, 3)
    for page in (1, 2, 3)
}
SWEEPS = int(os.environ.get("SWEEP", "1"))
KILLS_PER_TASK = 4
AT_ONCE = 3
TASK_SECONDS = 180


async def run_with_kills(
    stack: RealStack, phone: Phone, kills: Sequence[int], target: str
) -> list[int]:
    """Run a task to its end and judge it; kill `target` as its events of these versions appear.

    Returns the versions at which a process was really killed.
    """
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPT, made.url)
    killed: list[int] = []
    async with asyncio.timeout(TASK_SECONDS):
        async for version, kind in versions(stack, task):
            if version in kills and await kill(stack, target, task["id"]):
                killed.append(version)
            if kind in ("task.finished", "task.failed", "task.abandoned"):
                break
    await judge(stack, made, task)
    return killed


async def versions(stack: RealStack, task: dict[str, Any]):
    """Yield version and type of a task's events as they come to stand in the log."""
    history = History(AccountId(task["account"]), TaskId(task["id"]))
    until = asyncio.Event()
    credentials = stack.credentials("analytics")
    async with connect(stack.nats_url, credentials=credentials, name="sweep") as connection:
        log: JetStreamLog[Any] = JetStreamLog(connection)
        after = 0
        while not until.is_set():
            for recorded in await log.read(history, after=after):
                after = recorded.version
                yield recorded.version, type(recorded.event).__struct_config__.tag
            await asyncio.sleep(0.005)


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
    await eventually(lambda: machines_of(stack, task["id"]), until=lambda left: not left)
    events = await history_of(stack, task)
    trace = [(event["version"], event["type"]) for event in events]
    try:
        judge_log(events)
        await asyncio.to_thread(judge_branch, made, task["id"], BOOK)
        await judge_pull_requests(stack, made, task["id"])
        await eventually(lambda: true(judge_ledgers(stack, task)))
        await eventually(lambda: true(judge_read_models(stack, task, events)))
    except AssertionError as error:
        raise AssertionError(f"{task['id']}: {error}\n{trace}") from error


async def true(judgement: Any) -> bool:
    await judgement
    return True


async def in_turns(work: Iterable[Any]) -> list[Any]:
    """Run coroutines, a few at once; return what they answer."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(each: Any) -> Any:
        async with places:
            return await each

    async with asyncio.TaskGroup() as group:
        running = [group.create_task(one(each)) for each in work]
    return [each.result() for each in running]


@pytest.fixture
async def phone(stack: RealStack):
    device = await signed_in(stack)
    async with device.gateway:
        yield device


async def length_of_a_task(stack: RealStack, phone: Phone) -> int:
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPT, made.url)
    async for version, kind in versions(stack, task):
        if kind == "task.finished":
            return version
    raise AssertionError("it did not finish")


async def test_a_worker_may_be_killed_at_every_event(stack, phone):
    length = await length_of_a_task(stack, phone)
    boundaries = list(range(2, length)) * SWEEPS
    runs = await in_turns(run_with_kills(stack, phone, [n], "worker") for n in boundaries)
    killed = [version for run in runs for version in run]
    print(f"workers killed {len(killed)} times, at events {sorted(set(killed))} of {length}")
    assert len(set(killed)) > length // 2


@pytest.mark.parametrize("target", ["gateway", "scheduler", "projector"])
async def test_a_service_may_be_killed_at_every_event(stack, phone, target):
    length = await length_of_a_task(stack, phone)
    step = -(-length // KILLS_PER_TASK)
    runs = []
    for _ in range(SWEEPS):
        for first in range(1, step + 1):
            kills = range(first, length, step)
            runs.append(await run_with_kills(stack, phone, kills, target))
            await eventually(lambda: is_serving(stack), seconds=60)
    killed = [version for run in runs for version in run]
    print(f"{target} killed {len(killed)} times, at events {sorted(set(killed))} of {length}")
    assert len(set(killed)) > length // 2


async def is_serving(stack: RealStack) -> bool:
    try:
        for name in ("gateway", "scheduler", "projector"):
            os.kill(stack.pid(name), 0)
    except ProcessLookupError:
        return False
    return True
