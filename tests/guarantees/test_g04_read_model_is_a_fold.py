"""G4: the read models are a pure fold of the log up to their checkpoint, whatever is killed when.

A real projector process is killed at random while events arrive, and started again each time. In
the suite it dies 5 times over some 10,000 events; `KILLS=100 EVENTS=200000` in the environment is
the long run.
"""

import asyncio
import json
import os
import random
from typing import Any, Never

from events import Recorded
from infra.log.jetstream import JetStreamLog
from tests.kit.build.realistic_log import record
from tests.kit.laws.reference_fold import read_models_of
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint, rows_by_name
from tests.kit.run.projector_processes import projector
from tests.kit.servers.nats_connections import as_admin
from tests.kit.servers.stack import RealServers

KILLS = int(os.environ.get("KILLS", "5"))
EVENTS = int(os.environ.get("EVENTS", "10000"))


async def test_the_read_models_are_the_fold_of_the_log_however_often_the_projector_is_killed(
    servers: RealServers, fresh_database: str
) -> None:
    chance = random.Random(4)
    async with as_admin(servers) as nats:
        log = JetStreamLog[Any](nats)
        kills = beside = at = 0

        async def pace(share: float) -> None:
            while kills < KILLS and share > (kills + 1) / KILLS:  # so that events arrive throughout
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            arriving = group.create_task(record(log, EVENTS, first_task=400_000, pace=pace))
            while kills < KILLS:
                async with projector(servers, fresh_database):
                    at = await _has_moved(fresh_database, beyond=at)
                    await asyncio.sleep(chance.uniform(0, 0.3))  # anywhere in a batch
                kills += 1
                beside += not arriving.done()
            await arriving
        print(f"killed {kills} times, {beside} of them while events arrived")
        head = (await log.info()).last_sequence
        async with projector(servers, fresh_database):
            await eventually(
                lambda: checkpoint(fresh_database), until=lambda at: at >= head, seconds=120
            )
        reference = read_models_of(await _whole(log, up_to=head))

    found = await rows_by_name(fresh_database)

    assert kills == KILLS
    assert beside
    assert len(found["event"]) >= EVENTS * 0.9
    for name, rows in reference.items():
        assert [_comparable(row) for row in found[name]] == [_comparable(row) for row in rows], name


async def _has_moved(url: str, *, beyond: int) -> int:
    """Wait until the projector has committed something, unless nothing is left to commit."""
    try:
        return await eventually(
            lambda: checkpoint(url), until=lambda at: at > beyond, seconds=3, every_seconds=0.05
        )
    except AssertionError:
        return beyond


async def _whole(log: JetStreamLog[Never], *, up_to: int) -> list[Recorded]:
    until, events = asyncio.Event(), []
    async for batch in log.follow("reference", until=until):
        events += [recorded for recorded in batch if recorded.sequence <= up_to]
        if batch[-1].sequence >= up_to:
            until.set()
    return events


def _comparable(row: Any) -> dict[str, Any]:
    values = dict(row)
    if isinstance(state := values.get("state"), str):
        values["state"] = json.loads(state)
    if values.get("options") is not None:
        values["options"] = list(values["options"])
    return values
