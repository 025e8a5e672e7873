"""`delivery`: from the append to a phone's socket, at a steady pace.

1,000 phones watch 200 tasks, five per task; 1,000 events per second are appended, round the tasks.
The time runs from just before the append to when a phone has decoded the event, so it holds the
fsync of the log, the live loop, Redis, the hub and the socket. Phones are in processes of their
own. `append_p99_ms` is how much of it the append alone takes: no delivery can be sooner than its
fsync.
"""

import asyncio
import time

from tests.bench.kit.delivery_path import Busy, DeliveryPath, delivery_path, stamp
from tests.bench.kit.measure import percentile, say
from tests.bench.kit.phone_processes import PhoneProcesses, phone_processes
from tests.bench.kit.phones import Deliveries, PhoneSpec

TASKS, PHONES = 200, 1_000
EVENTS_PER_SECOND = 1_000
SECONDS, WARM_UP_SECONDS = 20, 3
_TASKS_PER_ACCOUNT = 2
_MAX_SECONDS = 300


async def run() -> dict[str, object]:
    async with delivery_path() as road, asyncio.timeout(_MAX_SECONDS):
        tasks, specs = await _set_up(road)
        async with phone_processes(road.address, specs, processes=2) as phones:
            await phones.live()
            say(f"{PHONES:,} phones watch {TASKS} tasks")
            await _pace(tasks, WARM_UP_SECONDS)
            before = await _quiet(phones, tasks)
            began, used = time.perf_counter(), road.cpu_seconds()
            appends = await _pace(tasks, SECONDS)
            seconds, used = time.perf_counter() - began, road.cpu_seconds() - used
            told = await _quiet(phones, tasks)
    fresh = told.milliseconds[-len(appends) * PHONES // TASKS :]
    return {
        "events_per_second": round(len(appends) / seconds),
        "p50_ms": round(percentile(fresh, 0.5), 1),
        "p99_ms": round(percentile(fresh, 0.99), 1),
        "append_p50_ms": round(percentile(appends, 0.5), 1),
        "append_p99_ms": round(percentile(appends, 0.99), 1),
        "lost": told.lost,
        "repeated": told.repeated,
        "delivered": told.events - before.events,
        "gateway_cores": round(used / seconds, 2),
        "seconds": round(seconds, 1),
        "must_reach": {"p50_ms": 8, "p99_ms": 30, "lost": 0, "repeated": 0},
    }


async def _set_up(road: DeliveryPath) -> tuple[list[Busy], list[PhoneSpec]]:
    seats = await road.people(TASKS // _TASKS_PER_ACCOUNT)
    tasks = [Busy(road.log, seats[n // _TASKS_PER_ACCOUNT][0].account, n) for n in range(TASKS)]
    for task in tasks:
        await task.begin()
    specs = []
    for number in range(PHONES):
        task = number % TASKS
        seat = seats[task // _TASKS_PER_ACCOUNT][0]
        name = f"phone-{number}"
        specs.append(PhoneSpec(seat.token, name, tasks[task].history.task, address=seat.address))
    return tasks, specs


async def _pace(tasks: list[Busy], seconds: float) -> list[float]:
    """Append at the pace, each task one at a time; return how long each took, in milliseconds."""
    count = int(seconds * EVENTS_PER_SECOND) // len(tasks)
    took: list[float] = []
    began = time.perf_counter() + 0.05

    async def one(place: int, task: Busy) -> None:
        for number in range(count):
            due = began + (number * len(tasks) + place) / EVENTS_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked = time.perf_counter()
            await task.say(stamp(time.monotonic_ns()))
            took.append((time.perf_counter() - asked) * 1000)

    async with asyncio.TaskGroup() as group:
        for place, task in enumerate(tasks):
            group.create_task(one(place, task))
    return took


async def _quiet(phones: PhoneProcesses, tasks: list[Busy]) -> Deliveries:
    """Wait until every phone is at its head, ten seconds at most; what is missing is lost."""
    heads = sum(task.version for task in tasks) * PHONES // TASKS
    told = await phones.tell()
    for _ in range(40):
        if told.versions >= heads:
            break
        await asyncio.sleep(0.25)
        told = await phones.tell()
    told.lost += heads - told.versions
    return told
