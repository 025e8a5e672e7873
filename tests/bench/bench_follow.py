"""`follow`: the memory of every reader of the log, while it reads a million events.

Each reader is a process of its own, so that its memory is its own: `follow` as the services read,
`follow_events` as analysts do, the live loop with its Redis (the first tenth: it tells all), and
the projector itself, whose history loop it is that reads from the first event.
`EVENTS` in the environment makes it shorter.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Never

import msgspec
import psutil
import redis.asyncio as redis

from events import Recorded
from infra.local.servers.provisioning import create_database
from infra.log.event_key_settings import event_keys
from infra.log.jetstream import Connection, JetStreamLog, connect
from infra.operator.analytics.consumer import follow_events
from services.projector.live import loop as live
from tests.bench.kit.measure import say
from tests.kit.build.realistic_log import record
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint
from tests.kit.run.projector_processes import ROOT, projector
from tests.kit.servers.nats_connections import as_admin
from tests.kit.servers.stack import RealServers, plain_environment, real_servers

EVENTS = int(os.environ.get("EVENTS", "1000000"))
MAX_SECONDS = 1800
KINDS = {"follow": "projector", "follow_events": "analytics", "live": "projector"}
_MIB = 1024 * 1024


class Reading(msgspec.Struct):
    """A process's own measurements: memory after a tenth of the events and after all."""

    rss_mib_at_a_tenth: int
    rss_mib_at_the_end: int
    events_per_second: int


async def run() -> dict[str, object]:
    with TemporaryDirectory() as directory, real_servers(Path(directory)) as servers:
        async with asyncio.timeout(MAX_SECONDS):
            return await _measure(servers)


async def _measure(servers: RealServers) -> dict[str, object]:
    began = time.perf_counter()
    async with as_admin(servers) as nats:
        events = await record(JetStreamLog[Any](nats), EVENTS)
    say(f"recorded {events:,} events in {time.perf_counter() - began:.0f} s")
    figures = {
        kind: await _apart(servers, kind, events // (10 if kind == "live" else 1)) for kind in KINDS
    }
    figures["projector"] = await _projector(servers, events)
    for kind, found in figures.items():
        say(
            f"{kind:<14}{found.rss_mib_at_a_tenth:>6} → {found.rss_mib_at_the_end} MiB, "
            f"{found.events_per_second:,} events/s"
        )
    return {"events": events} | {k: msgspec.to_builtins(v) for k, v in figures.items()}


async def _apart(servers: RealServers, kind: str, events: int) -> Reading:
    """Let a process of its own read the whole log."""
    environment = plain_environment() | {
        "NATS_URL": servers.nats_url,
        "NATS_CREDENTIALS": str(servers.credentials(KINDS[kind])),  # type: ignore[arg-type]
        **servers.event_key_settings,
        "REDIS_URL": servers.redis_url,
        "EVENTS": str(events),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.bench_follow",
        kind,
        env=environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the reader {kind} failed; what it said stands above")
    return msgspec.json.decode(said.splitlines()[-1], type=Reading)


async def _projector(servers: RealServers, events: int) -> Reading:
    await create_database(servers.postgres_url, "follow")
    url = servers.servers.database_url("follow")
    async with projector(servers, url) as process:
        memory = psutil.Process(process.pid)

        async def reached(sequence: int) -> int:
            await eventually(
                lambda: checkpoint(url),
                until=lambda at: at >= sequence,
                seconds=MAX_SECONDS,
                every_seconds=0.05,
            )
            return round(memory.memory_info().rss / _MIB)

        tenth, began = await reached(events // 10), time.perf_counter()
        end = await reached(events)
        return Reading(tenth, end, round(0.9 * events / (time.perf_counter() - began)))


async def _read(kind: str, events: int) -> Reading:
    """Read all events in this process."""
    own, seen, tenth, began = psutil.Process(), 0, 0, 0.0
    async with (
        connect(
            os.environ["NATS_URL"],
            credentials=os.environ["NATS_CREDENTIALS"],
            name=kind,
            keys=event_keys(os.environ),
        ) as nats,
        aclosing(_reader(kind, nats)) as reader,
    ):
        async for _ in reader:
            seen += 1
            if seen == events // 10:
                tenth, began = own.memory_info().rss, time.perf_counter()
            if seen == events:
                break
    rate = 0.9 * events / (time.perf_counter() - began)
    return Reading(round(tenth / _MIB), round(own.memory_info().rss / _MIB), round(rate))


async def _reader(kind: str, nats: Connection) -> AsyncGenerator[Recorded, None]:
    until = asyncio.Event()
    log = JetStreamLog[Never](nats)
    match kind:
        case "follow_events":
            async for recorded in follow_events(nats, "bench"):
                yield recorded
        case "live":
            loop = live.LiveLoop(log, redis.Redis.from_url(os.environ["REDIS_URL"]))
            async for batch in log.follow("bench", until=until, is_placed=False):
                async for _ in loop._take(batch):
                    raise AssertionError("all histories begin here: none has to be read first")
                for recorded in batch:
                    yield recorded
        case _:
            async for batch in log.follow("bench", until=until):
                for recorded in batch:
                    yield recorded


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(asyncio.run(_read(sys.argv[1], EVENTS))).decode() + "\n")
