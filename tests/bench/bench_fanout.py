"""`fanout`: one busy task that 2,000 phones watch.

Events are appended in batches, as fast as they are taken in; figures are events delivered to phones
a second of the gateway's own processor time, and beside it in the same run a raw uvicorn broadcast
of events of the same size to as many phones, one frame each.
"""

import asyncio
import socket
import sys
import time
from contextlib import AsyncExitStack

from tests.bench.kit.delivery_path import Busy, delivery_path, stamp
from tests.bench.kit.measure import say
from tests.bench.kit.phone_processes import Address, phone_processes
from tests.bench.kit.phones import Deliveries, PhoneSpec
from tests.kit.run.projector_processes import ROOT
from tests.kit.servers.stack import plain_environment

PHONES = 2_000
EVENTS = 2_000
BATCH = 20
RAW_EVENTS = 300
_PHONES_PER_PERSON = 10
_MAX_SECONDS = 300


async def run() -> dict[str, object]:
    async with asyncio.timeout(_MAX_SECONDS):
        floor = await _raw()
        say(f"a raw broadcast delivers {floor:,.0f} events per second of processor time")
        figures = await _ours()
    return {**figures, "floor": round(floor), "ratio": round(figures["per_core"] / floor, 2)}


async def _ours() -> dict[str, float]:
    async with delivery_path() as road:
        [seats] = await road.people(1, PHONES // _PHONES_PER_PERSON)
        task = Busy(road.log, seats[0].account, 1)
        await task.begin()
        specs = [
            PhoneSpec(seat.token, f"phone-{n}", task.history.task, address=seat.address)
            for n, seat in enumerate(seats * _PHONES_PER_PERSON)
        ]
        async with phone_processes(road.address, specs) as phones:
            before = await phones.live()
            say(f"{PHONES:,} phones watch one task")
            began, used = time.perf_counter(), road.cpu_seconds()
            for start in range(0, EVENTS, BATCH):
                texts = [stamp(time.monotonic_ns()) for _ in range(start, start + BATCH)]
                await task.say_many(texts)
            told = before
            while told.versions < task.version * PHONES:
                await asyncio.sleep(0.1)
                told = await phones.tell()
            seconds, used = time.perf_counter() - began, road.cpu_seconds() - used
    return _figures(told.events - before.events, seconds, used, told)


def _figures(delivered: int, seconds: float, used: float, told: Deliveries) -> dict[str, float]:
    return {
        "events_per_second": round(delivered / seconds),
        "per_core": round(delivered / used),
        "lost": told.lost,
        "repeated": told.repeated,
        "seconds": round(seconds, 1),
        "must_reach_per_core": 100_000,
        "must_reach_ratio": 1.0,
    }


async def _raw() -> float:
    """Events a second of processor time, of uvicorn alone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with AsyncExitStack() as running:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.kit.raw_broadcast", str(port)),
            env=plain_environment() | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        running.push_async_callback(process.wait)
        assert process.stdin is not None
        running.callback(process.stdin.close)
        await _listens(port)
        specs = [PhoneSpec("", f"phone-{number}") for number in range(PHONES)]
        async with phone_processes(Address("127.0.0.1", port), specs) as phones:
            await phones.live()
            process.stdin.write(b"%d\n" % RAW_EVENTS)
            assert process.stdout is not None
            used = float(await process.stdout.readline())
            told = await phones.tell()
            while told.events < RAW_EVENTS * PHONES:
                await asyncio.sleep(0.1)
                told = await phones.tell()
        return told.events / used


async def _listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
