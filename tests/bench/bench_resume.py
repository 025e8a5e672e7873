"""`resume`: 10,000 phones lose their connection at once and come back with their cursors.

They watch 200 tasks of 60 events each, fifty phones per task, and each is ten events behind when it
comes back. `seconds` runs until the last of them receives `live`; `log_reads` are the requests the
gateway put to the log meanwhile.
"""

import asyncio
import time

from tests.bench.kit.delivery_path import Busy, DeliveryPath, delivery_path
from tests.bench.kit.measure import allow_open_files, say
from tests.bench.kit.phone_processes import phone_processes
from tests.bench.kit.phones import PhoneSpec

TASKS, PHONES = 200, 10_000
EVENTS, MISSED = 60, 10
_PHONES_PER_PERSON = 10
_MAX_SECONDS = 600
_OTHER_FILES = 500
_READS = "errand_gateway_log_reads"


async def run() -> dict[str, object]:
    allow_open_files(PHONES + _OTHER_FILES)
    async with delivery_path() as road, asyncio.timeout(_MAX_SECONDS):
        tasks, specs = await _set_up(road)
        empty = road.resident_bytes()
        async with phone_processes(road.address, specs, at_once=500) as phones:
            first = await phones.live()
            held = road.resident_bytes()
            say(f"{PHONES:,} phones came in {first.seconds:.1f} s")
            await phones.leave()
            await _grow(tasks)
            reads, used = await road.metric(_READS), road.cpu_seconds()
            began = time.perf_counter()
            told = await phones.again()
            seconds, used = time.perf_counter() - began, road.cpu_seconds() - used
            reads = await road.metric(_READS) - reads
    return {
        "seconds": round(seconds, 1),
        "phones": PHONES,
        "tasks": TASKS,
        "lost": told.lost + PHONES * (EVENTS + MISSED) - told.versions,
        "repeated": told.repeated,
        "log_reads": round(reads),
        "rss_bytes_per_connection": round((held - empty) / PHONES),
        "gateway_cpu_seconds": round(used, 1),
        "must_reach": {"seconds": 10, "rss_bytes_per_connection": 30 * 1024, "lost": 0},
    }


async def _set_up(road: DeliveryPath) -> tuple[list[Busy], list[PhoneSpec]]:
    phones_per_task = PHONES // TASKS
    seats = await road.people(TASKS, phones_per_task // _PHONES_PER_PERSON)
    tasks = [Busy(road.log, seats[number][0].account, number) for number in range(TASKS)]
    for task in tasks:
        await task.begin(EVENTS)
    specs = []
    for number in range(phones_per_task):
        for task, people in zip(tasks, seats, strict=True):
            seat, name = people[number // _PHONES_PER_PERSON], f"phone-{number}"
            specs.append(PhoneSpec(seat.token, name, task.history.task, address=seat.address))
    return tasks, specs


async def _grow(tasks: list[Busy]) -> None:
    for task in tasks:
        await task.say_many(["x" * 120] * MISSED)
