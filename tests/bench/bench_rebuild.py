"""`rebuild`: the read models built from scratch beside live traffic, compared and swapped.

A projector process keeps the live models while events arrive at a steady pace; the rebuild runs in
a process of its own. `p50_ms` and `p99_ms` are the live lag: from an append's acknowledgement to
the checkpoint that covers it, looked at every 20 ms, over the whole of the rebuild with its swap.
"""

import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import msgspec

from events import NOWHERE
from infra.local.servers.provisioning import create_database
from infra.log.jetstream import JetStreamLog
from tests.bench.kit.measure import percentile, say
from tests.kit.build.realistic_log import record, story
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint
from tests.kit.run.projector_processes import ROOT, projector
from tests.kit.servers.nats_connections import as_admin
from tests.kit.servers.stack import RealServers, plain_environment, real_servers

EVENTS = 200_000
LIVE_EVENTS_PER_SECOND = 200
MAX_SECONDS = 600

_REBUILD = """
import json, os, sys, time
import uvloop
from infra.log.event_key_settings import event_keys
from infra.log.jetstream import JetStreamLog, connect
from infra.runtime.lifecycle import collect_rarely
from services.projector.rebuild.rebuild import Rebuild

async def main():
    url, credentials, postgres = sys.argv[1:]
    built = []
    def report(at):
        if at.stage == "building":
            built.append((time.perf_counter(), at.sequence))
    keys = event_keys(os.environ)
    async with connect(url, credentials=credentials, name="rebuild", keys=keys) as nats:
        began = time.perf_counter()
        done = await Rebuild(JetStreamLog(nats), postgres).run(report)
    (first, low), (last, high) = built[0], built[-1]
    print(json.dumps({
        "events_per_second": round((high - low) / (last - first)),
        "seconds": round(time.perf_counter() - began, 2),
        "held_up_ms": round(done.held_up_seconds * 1000),
        "differing": list(done.differing),
    }))

collect_rarely()
uvloop.run(main())
"""


class Lag:
    """The time each append of the live traffic took to reach the read models, in milliseconds."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self._waiting: list[tuple[int, float]] = []

    async def append(self, log: JetStreamLog[Any], stopping: asyncio.Event) -> None:
        """Append at a steady pace, whole tasks one after the other."""
        number, due = 1_000_000, time.perf_counter()
        while not stopping.is_set():
            history, drafts = story(number)
            head = NOWHERE
            for draft in drafts:
                if stopping.is_set():
                    return
                head = await log.append(history, [draft], after=head)
                self._waiting.append((head.sequence, time.perf_counter()))
                due = max(due + 1 / LIVE_EVENTS_PER_SECOND, time.perf_counter() - 1)
                await asyncio.sleep(max(0, due - time.perf_counter()))
            number += 1

    async def watch(self, url: str, stopping: asyncio.Event) -> None:
        """Look at the checkpoint until told to stop and nothing is on its way."""
        link = await asyncpg.connect(url)
        try:
            while not stopping.is_set() or self._waiting:
                at = await link.fetchval("SELECT sequence FROM read.checkpoint")
                now = time.perf_counter()
                while self._waiting and self._waiting[0][0] <= at:
                    self.milliseconds.append((now - self._waiting.pop(0)[1]) * 1000)
                await asyncio.sleep(0.02)
        finally:
            await link.close()


async def run() -> dict[str, object]:
    with TemporaryDirectory() as directory, real_servers(Path(directory)) as servers:
        async with asyncio.timeout(MAX_SECONDS):
            return await _measure(servers)


async def _measure(servers: RealServers) -> dict[str, object]:
    await create_database(servers.postgres_url, "rebuild")
    url = servers.servers.database_url("rebuild")
    async with as_admin(servers) as nats, projector(servers, url):
        log = JetStreamLog[Any](nats)
        events = await record(log, EVENTS)
        say(f"recorded {events:,} events")
        await eventually(lambda: checkpoint(url), until=lambda at: at >= events, seconds=120)
        lag, stopping = Lag(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(lag.append(log, stopping))
            group.create_task(lag.watch(url, stopping))
            figures = await _rebuilt(servers, url)
            stopping.set()
    say(f"{len(lag.milliseconds):,} live events beside it")
    return {
        "events": events,
        **figures,
        "p50_ms": round(percentile(lag.milliseconds, 0.5), 1),
        "p99_ms": round(percentile(lag.milliseconds, 0.99), 1),
        "live_events_per_second": LIVE_EVENTS_PER_SECOND,
        "must_reach_events_per_second": 40_000,
        "must_reach_p99_ms": 2_000,
    }


async def _rebuilt(servers: RealServers, url: str) -> dict[str, object]:
    """Run a rebuild in a process of its own and return its figures."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _REBUILD,
        servers.nats_url,
        str(servers.credentials("projector")),
        url,
        env=plain_environment() | servers.event_key_settings | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the rebuild failed; what it said stands above")
    figures: dict[str, object] = msgspec.json.decode(output.splitlines()[-1])
    return figures
