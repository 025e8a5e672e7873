"""Rights of NATS users, tried on the real server.

What they are refused: tests/guarantees/test_g14_least_privilege.py.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from infra.runtime.clock import utc_now
from tests.kit.laws.nats_rights import (
    ACCOUNT,
    GRANT,
    MINE,
    NEXT,
    OTHER_READER,
    OTHERS,
    READER,
    Refusals,
    answered,
    signed_in,
)
from tests.kit.probe.eventually import eventually
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import RealServers, real_servers

PULL = json.dumps({"batch": 10, "expires": 500_000_000}).encode()


async def make_reader(client: Client, name: str, subject: str) -> None:
    config = {
        "durable_name": name,
        "ack_policy": "none",
        "deliver_policy": "all",
        "filter_subject": subject,
        "mem_storage": True,
    }
    body = json.dumps({"stream_name": "EVENTS", "config": config}).encode()
    answer = await client.request(f"$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.{name}", body)
    assert "error" not in json.loads(answer.data)


@pytest.fixture(scope="module")
def servers() -> Iterator[RealServers]:
    """Servers of our own: these tests store what no reader of the log could read."""
    with server_directory() as place, real_servers(place) as running:
        yield running


@pytest.fixture
async def scheduler(servers: RealServers) -> AsyncIterator[Client]:
    """The scheduler, having made a reader for each of two tasks, each with an event."""
    text = servers.credentials("scheduler").read_text()
    async with signed_in(servers.nats_url, text, Refusals()) as client:
        await make_reader(client, READER, MINE)
        await make_reader(client, OTHER_READER, OTHERS)
        for subject in (MINE, OTHERS):
            await client.request(subject, b"{}")
        yield client
        for reader in (READER, OTHER_READER):
            await client.request(f"$JS.API.CONSUMER.DELETE.EVENTS.{reader}", b"")


@pytest.fixture
async def refusals() -> Refusals:
    return Refusals()


@pytest.fixture
async def worker(
    servers: RealServers, scheduler: Client, refusals: Refusals
) -> AsyncIterator[Client]:
    text = servers.worker_credentials(GRANT, expires=utc_now() + timedelta(minutes=5))
    async with signed_in(servers.nats_url, text, refusals) as client:
        yield client


async def pulled(client: Client, reader: str) -> list[Msg]:
    inbox = client.new_inbox()
    arrived: list[Msg] = []

    async def note(message: Msg) -> None:
        arrived.append(message)

    await client.subscribe(inbox, cb=note)
    await client.publish(f"{NEXT}.{reader}", PULL, reply=inbox)
    await eventually(lambda: arrived)
    return arrived


async def test_a_worker_appends_to_its_task_and_gets_the_servers_word(worker: Client) -> None:
    answer = json.loads((await worker.request(MINE, b'{"version":1}', timeout=5)).data)
    assert answer["stream"] == "EVENTS"
    assert answer["seq"] > 0


async def test_a_worker_that_appends_after_a_stale_head_is_told_so(worker: Client) -> None:
    headers = {"Nats-Expected-Last-Subject-Sequence": "0"}
    answer = json.loads((await worker.request(MINE, b"{}", timeout=5, headers=headers)).data)
    assert answer["error"]["err_code"] == 10071


async def test_a_worker_reads_its_own_history_and_sees_whose_it_is(worker: Client) -> None:
    [first, *_] = await pulled(worker, READER)
    assert first.subject == MINE
    assert first.reply.startswith("$JS.ACK.EVENTS.")


async def test_a_worker_pulls_what_is_appended_while_it_waits(
    worker: Client, scheduler: Client
) -> None:
    inbox = worker.new_inbox()
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    await worker.subscribe(inbox, cb=arrived.put)
    request = {"batch": 100, "expires": 20_000_000_000, "idle_heartbeat": 300_000_000}
    await worker.publish(f"{NEXT}.{READER}", json.dumps(request).encode(), reply=inbox)
    async with asyncio.timeout(5):
        while (await arrived.get()).data:  # its history so far
            pass
        # an empty message: the reader's heartbeat, so it waits
        await scheduler.request(MINE, b'{"live":true}')
        while not (message := await arrived.get()).data:
            pass
    assert message.data == b'{"live":true}'


async def test_beats_and_live_words_of_a_worker_reach_their_readers(
    worker: Client, scheduler: Client
) -> None:
    heard: list[Msg] = []

    async def note(message: Msg) -> None:
        heard.append(message)

    await scheduler.subscribe(f"beat.{ACCOUNT}.*", cb=note)
    await answered(scheduler)
    await worker.publish(f"beat.{ACCOUNT}.task_mine", b'{"attempt":1}')
    [beat] = await eventually(lambda: heard)
    assert beat.data == b'{"attempt":1}'
    assert beat.subject == f"beat.{ACCOUNT}.task_mine"


async def test_a_forged_reply_stores_nothing_on_another_subject(
    worker: Client, scheduler: Client
) -> None:
    async def count(subject: str) -> int:
        body = json.dumps({"subjects_filter": subject}).encode()
        answer = json.loads((await scheduler.request("$JS.API.STREAM.INFO.EVENTS", body)).data)
        return int((answer["state"].get("subjects") or {}).get(subject, 0))

    others, mine = await count(OTHERS), await count(MINE)
    await worker.publish(MINE, b"{}", reply=OTHERS)
    await answered(worker)
    await eventually(lambda: count(MINE), until=lambda seen: seen == mine + 1)
    assert await count(OTHERS) == others


async def test_a_workers_user_is_thrown_out_when_it_expires(servers: RealServers) -> None:
    seen = Refusals()
    text = servers.worker_credentials(GRANT, expires=utc_now() + timedelta(seconds=2))
    async with signed_in(servers.nats_url, text, seen) as client:
        await eventually(lambda: client.is_closed, seconds=10)

    async def is_refused() -> bool:  # at the latest a second after: `exp` counts whole seconds
        try:
            async with signed_in(servers.nats_url, text, seen):
                return False
        except nats.errors.Error:
            return True

    assert await eventually(is_refused, seconds=5)
