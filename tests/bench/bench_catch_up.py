"""`catch_up`: a projector process from zero over a recorded log, its checkpoint in the transaction.

The log is as real work leaves it (tests.kit.build.realistic_log), the process is the service
itself, and the figure runs from its first commit to its last. `floor` is how fast the same log is
only read.
"""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Never

import asyncpg
import psutil

from infra.local.servers.provisioning import create_database
from infra.log.jetstream import JetStreamLog
from tests.bench.kit.measure import say
from tests.kit.build.realistic_log import record
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint
from tests.kit.run.projector_processes import projector
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.stack import RealServers, real_servers

EVENTS = 200_000
MAX_SECONDS = 300
_MIB = 1024 * 1024


async def run() -> dict[str, object]:
    with TemporaryDirectory() as directory, real_servers(Path(directory)) as servers:
        async with asyncio.timeout(MAX_SECONDS):
            return await _measure(servers)


async def _measure(servers: RealServers) -> dict[str, object]:
    began = time.perf_counter()
    async with as_admin(servers) as nats:
        events = await record(JetStreamLog[Any](nats), EVENTS)
    say(f"recorded {events:,} events in {time.perf_counter() - began:.1f} s")
    floor = await _read_only(servers, events)
    say(f"read and decoded {floor:,.0f} events/s")
    await create_database(servers.postgres_url, "catch_up")
    url = servers.servers.database_url("catch_up")
    async with projector(servers, url) as process:
        figures = await _watch(psutil.Process(process.pid), url, events)
    rate = float(str(figures["events_per_second"]))
    return {
        "events": events,
        **figures,
        "floor": round(floor),
        "ratio": round(rate / floor, 2),
        "must_reach_events_per_second": 50_000,
    }


async def _watch(process: psutil.Process, url: str, events: int) -> dict[str, object]:
    """Watch the checkpoint go from its first value to the end of the log, and the memory."""
    await eventually(lambda: checkpoint(url), until=bool, seconds=30, every_seconds=0.01)
    sizes: list[float] = []
    link = await asyncpg.connect(url)
    try:
        first = at = await link.fetchval("SELECT sequence FROM read.checkpoint")
        began, used = time.perf_counter(), process.cpu_times()
        while at < events:
            await asyncio.sleep(0.05)
            at = await link.fetchval("SELECT sequence FROM read.checkpoint")
            sizes.append(process.memory_info().rss / _MIB)
        seconds = time.perf_counter() - began
        cpu = process.cpu_times()
    finally:
        await link.close()
    cpu_seconds = cpu.user + cpu.system - used.user - used.system
    quarter = sizes[len(sizes) // 4]
    say(f"{events - first:,} events in {seconds:.2f} s; memory {quarter:.0f} → {sizes[-1]:.0f} MiB")
    return {
        "events_per_second": round((events - first) / seconds),
        "cpu_us_an_event": round(cpu_seconds / (events - first) * 1e6, 1),
        "rss_mib_at_a_quarter": round(quarter),
        "rss_mib_at_the_end": round(sizes[-1]),
    }


async def _read_only(servers: RealServers, events: int) -> float:
    async with as_role(servers, "projector") as nats:
        until, seen, began = asyncio.Event(), 0, time.perf_counter()
        async for batch in JetStreamLog[Never](nats).follow("floor", until=until):
            seen += len(batch)
            if seen >= events:
                until.set()
        return seen / (time.perf_counter() - began)
