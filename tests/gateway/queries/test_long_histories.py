"""A long history costs what is returned of it, not its length: measured on a gateway process."""

from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import psutil
import redis.asyncio as redis

from events import event_subject
from infra.log.jetstream import JetStreamLog
from tests.gateway.kit.process import environment, free_port, spawn
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import World, settings_for
from tests.kit.run.opened_task import at_rest, cpu_seconds, decoding_seconds, grow, open_task
from tests.kit.servers.nats_connections import as_admin

EVENTS = 10_000
FIRST, SECOND = 12, 7
"""The most that opening may cost, in plain decodings of the same events: 0.48 and 0.28 s where one
event takes 4 us. It takes about 9 and 4.5; with a second decoding for the access check, 13."""


@asynccontextmanager
async def a_gateway_process(servers, database):
    """A gateway of its own process, and a hand on the log beside it."""
    port = free_port()
    process = await spawn(environment(settings_for(servers, database, port)))
    try:
        async with (
            as_admin(servers) as connection,
            AsyncExitStack() as clients,
            redis.Redis.from_url(servers.redis_url) as live,
        ):
            log = JetStreamLog(connection)
            world = World(f"http://127.0.0.1:{port}", log, clients, live)
            http = await world.client()

            async def ready():
                try:
                    return (await http.get("/health/ready")).status_code
                except httpx.TransportError:
                    return 0

            await eventually(ready, until=lambda status: status == 200, seconds=60)
            yield world, psutil.Process(process.pid), connection
    finally:
        process.kill()
        await process.communicate()


async def test_ten_thousand_events_are_opened_at_a_cost_that_grows_with_them_alone(
    servers, fresh_database
):
    async with a_gateway_process(servers, fresh_database) as (world, process, _):
        ada = await world.person("ada")
        task = await ada.submit()
        history = ada.history(task)
        await grow(world.log, history, EVENTS)
        await at_rest(process)  # the gateway reads the log for its pushes as well
        stored = await world.log.read(history)
        spent, measures = [], []
        for _ in range(2):
            measures.append(decoding_seconds(history, stored))
            before = cpu_seconds(process)
            got = await open_task(ada.http, ada.token, task, EVENTS)
            spent.append(cpu_seconds(process) - before)
            assert got == list(range(1, EVENTS + 1))
        before = cpu_seconds(process)
        page = await ada.http.get(f"/v1/tasks/{task}/events", params={"after": EVENTS - 5})
        one_page = cpu_seconds(process) - before
        assert [event["version"] for event in page.json()["data"]] == list(
            range(EVENTS - 4, EVENTS + 1)
        )
        before = cpu_seconds(process)
        state = await ada.http.get(f"/v1/tasks/{task}/state", params={"at": EVENTS // 2})
        one_state = cpu_seconds(process) - before
        assert state.json()["head"] == EVENTS
        print(f"gateway CPU seconds: {spent=} {one_page=} {one_state=} {measures=}")
        decoding = max(measures)
        assert spent[0] <= FIRST * decoding
        assert spent[1] <= SECOND * decoding
        assert one_page <= decoding
        assert one_state <= FIRST * decoding


async def test_what_is_no_event_is_left_out_of_every_page(servers, fresh_database):
    async with a_gateway_process(servers, fresh_database) as (world, _, nats):
        ada = await world.person("ada")
        task = await ada.submit()
        history = ada.history(task)
        await grow(world.log, history, 30)
        await nats.request(event_subject(history), b"no event", within_seconds=5)
        stored = (await world.log.read(history))[9].body
        await nats.request(event_subject(history), stored, within_seconds=5)
        await grow(world.log, history, 60)
        for _ in range(2):
            for after in (0, 25, 30, 31, 55):
                page = await ada.http.get(
                    f"/v1/tasks/{task}/events", params={"after": after, "limit": 10}
                )
                versions = [event["version"] for event in page.json()["data"]]
                assert versions == list(range(after + 1, min(after + 10, 60) + 1))
                assert page.json()["head"] == 60
