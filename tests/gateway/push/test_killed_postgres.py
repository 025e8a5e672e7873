"""Postgres is killed while pushes are announced, and while they are sent: no push is lost."""

import asyncio
from collections import Counter
from functools import partial
from operator import lt

import asyncpg

from tests.gateway.push.conftest import ASKED, Rig
from tests.kit.probe.eventually import eventually
from tests.kit.servers.stack import RealServers

PUSHES = 20


async def test_no_push_is_lost_or_repeated_without_need_when_postgres_is_killed(
    servers: RealServers, fresh_database: str, rig: Rig
) -> None:
    ada = await rig.person("ada", "ada")
    browser, device = await rig.browser(ada)
    stopping = asyncio.Event()

    async def accepted() -> int:
        connection = await asyncpg.connect(fresh_database)
        try:
            query = "SELECT count(*) FROM accounts.push WHERE state = 'accepted'"
            return int(await connection.fetchval(query))
        finally:
            await connection.close()

    async def announced() -> int:
        connection = await asyncpg.connect(fresh_database)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM accounts.push"))
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as group:
        begun = "SELECT count(*) FROM accounts.push_position"
        running = [group.create_task(gateway.run(stopping)) for gateway in rig.gateways]
        await eventually(lambda: rig.database.fetchval(begun))
        kill = group.create_task(asyncio.sleep(0))
        for number in range(PUSHES):
            await rig.say(await rig.task(ada), ASKED)
            if number % 8 == 3:
                await kill
                kill = group.create_task(servers.kill("postgres"))
        await kill
        await eventually(announced, until=lambda count: count == PUSHES)

        rig.clock.move(seconds=4)
        await eventually(lambda: rig.outside.services.taken, every_seconds=0.001)
        await servers.kill("postgres")  # while it is noted what was sent
        while (before := await accepted()) < PUSHES:
            rig.clock.move(seconds=31)  # a lease is over
            await eventually(accepted, until=partial(lt, before))
        assert not any(task.done() for task in running)
        stopping.set()

    sent = Counter(read["notification"]["data"]["push"] for read in rig.outside.to(browser))
    log = (await rig.push.delivery_log.page(ada, device.id, after="", limit=200)).data
    assert {push.id for push in log} == sent.keys()
    assert len(log) == PUSHES
    for push in log:
        unknown = [attempt for attempt in push.attempts if attempt.status is None]
        assert 1 <= sent[push.id] <= 1 + len(unknown)
