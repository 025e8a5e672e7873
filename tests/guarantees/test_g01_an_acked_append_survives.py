"""G1: what was acknowledged is there afterwards, whatever was killed without warning.

Power loss cannot be played on one machine; what it takes, that no answer goes out before fsync, is
the servers' own setting, and checked here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.kit.build.event_logs import new_history
from tests.kit.laws.linear_histories import Promise, Writer, require_linear
from tests.kit.probe.eventually import eventually
from tests.kit.servers.cluster import Cluster, LogPlace
from tests.kit.servers.nats_connections import as_role

ROLES = ("gateway", "scheduler")
ENOUGH = 10


@asynccontextmanager
async def writing(place: LogPlace) -> AsyncIterator[list[Writer]]:
    """Two services write to two histories each, while inside."""
    async with as_role(place, ROLES[0]) as one, as_role(place, ROLES[1]) as other:
        shared = new_history()
        writers = [
            Writer(connection, shared, new_history(), seed=seed)
            for seed, connection in enumerate((one, other))
        ]
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.write(stopping))
            yield writers
            stopping.set()


async def more(writers: list[Writer]) -> None:
    """Wait until every writer has been promised some more."""
    wanted = [len(writer.promises) + ENOUGH for writer in writers]
    await eventually(
        lambda: all(len(w.promises) >= n for w, n in zip(writers, wanted, strict=True)), seconds=90
    )


def promised(writers: list[Writer]) -> list[Promise]:
    return [promise for writer in writers for promise in writer.promises]


async def require_kept(place: LogPlace, writers: list[Writer]) -> None:
    async with as_role(place, "projector") as reader:
        turned_away = [draft for writer in writers for draft in writer.turned_away]
        await require_linear(reader, promised(writers), turned_away)


async def test_it_survives_a_kill_of_the_server_that_gave_the_answer(log_place: LogPlace) -> None:
    async with writing(log_place) as writers:
        await more(writers)
        await log_place.kill_leader()
        await more(writers)
    await require_kept(log_place, writers)


async def test_it_survives_a_kill_of_every_server_at_once(log_place: LogPlace) -> None:
    async with writing(log_place) as writers:
        await more(writers)
        await log_place.kill_all()
        await more(writers)
    await require_kept(log_place, writers)


async def test_it_survives_an_ordered_restart_and_a_handing_over(log_place: LogPlace) -> None:
    async with writing(log_place) as writers:
        for _ in range(2):
            await more(writers)
            await log_place.step_down()
        await more(writers)
    await require_kept(log_place, writers)


def test_the_servers_sync_before_they_answer(log_place: LogPlace) -> None:
    for configuration in log_place.configurations():
        assert "sync_interval: always" in configuration.read_text()


async def test_two_of_three_are_enough_and_the_third_catches_up(cluster: Cluster) -> None:
    place = LogPlace(cluster)
    leader = await cluster.leader()
    lost = next(name for name in cluster.names if name != leader)
    async with writing(place) as writers:
        await more(writers)
        await cluster.halt(lost)
        await more(writers)
        await cluster.resume(lost)
        await more(writers)
    await require_kept(place, writers)
