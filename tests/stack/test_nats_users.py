"""What each user of NATS may and may not do, tried on the real server (security.md)."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from infra.clock import utc_now
from infra.nats_permissions import ROLES, Role, WorkerGrant
from infra.nats_users import inbox_prefix
from tests.support.eventually import eventually
from tests.support.stack import RealServers, real_servers

ACCOUNT = "acc_refusals"
MINE = f"events.{ACCOUNT}.task_mine"
OTHERS = f"events.{ACCOUNT}.task_others"
READER = "w-task_mine-a1"
OTHER_READER = "w-task_others-a1"
GRANT = WorkerGrant(ACCOUNT, "task_mine", READER)
NEXT = "$JS.API.CONSUMER.MSG.NEXT.EVENTS"
PULL = json.dumps({"batch": 10, "expires": 500_000_000}).encode()


class Refusals:
    """What the server told a client it may not do."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def note(self, error: Exception) -> None:
        self.seen.append(str(error))


@asynccontextmanager
async def signed_in(
    url: str, credentials: str, refusals: Refusals, folder: Path
) -> AsyncIterator[Client]:
    file = folder / "user.creds"
    file.write_text(credentials)
    client = Client()
    try:
        await client.connect(
            url,
            user_credentials=str(file),
            inbox_prefix=inbox_prefix(credentials),
            error_cb=refusals.note,
            allow_reconnect=False,
        )
        yield client
    finally:
        await client.close()


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
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServers]:
    """Servers of our own: these tests store what no reader of the log could read."""
    with real_servers(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
async def scheduler(servers: RealServers, tmp_path: Path) -> AsyncIterator[Client]:
    """The scheduler, having made a reader for each of two tasks, each with an event."""
    folder = tmp_path / "scheduler"
    folder.mkdir()
    text = servers.credentials("scheduler").read_text()
    async with signed_in(servers.nats_url, text, Refusals(), folder) as client:
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
    servers: RealServers, scheduler: Client, refusals: Refusals, tmp_path: Path
) -> AsyncIterator[Client]:
    text = servers.worker_credentials(GRANT, expires=utc_now() + timedelta(minutes=5))
    async with signed_in(servers.nats_url, text, refusals, tmp_path) as client:
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
    await scheduler.flush()
    await worker.publish(f"beat.{ACCOUNT}.task_mine", b'{"attempt":1}')
    [beat] = await eventually(lambda: heard)
    assert beat.data == b'{"attempt":1}'
    assert beat.subject == f"beat.{ACCOUNT}.task_mine"


@pytest.mark.parametrize(
    "subject",
    [
        OTHERS,
        "events.acc_other.task_mine",
        f"beat.{ACCOUNT}.task_others",
        f"live.{ACCOUNT}.task_others",
        "dead.projector",
        f"{NEXT}.{OTHER_READER}",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.EVENTS",
        "$JS.API.STREAM.MSG.GET.EVENTS",
        "$JS.API.DIRECT.GET.EVENTS",
        f"$JS.API.DIRECT.GET.EVENTS.{OTHERS}",
        "$JS.API.STREAM.PURGE.EVENTS",
        "$JS.API.STREAM.DELETE.EVENTS",
        "$JS.API.STREAM.CREATE.MINE",
        "$JS.API.CONSUMER.CREATE.EVENTS",
        f"$JS.API.CONSUMER.CREATE.EVENTS.{READER}",
        "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.mine",
        f"$JS.API.CONSUMER.DELETE.EVENTS.{OTHER_READER}",
        f"$JS.API.CONSUMER.INFO.EVENTS.{READER}",
        "$JS.ACK.EVENTS.w-task_others-a1.1.1.1.1.0",
        "$SYS.REQ.USER.INFO",
        "_INBOX.somebody",
    ],
)
async def test_a_worker_is_refused_every_other_subject(
    worker: Client, refusals: Refusals, subject: str
) -> None:
    await worker.publish(subject, b"{}", reply=worker.new_inbox())
    await eventually(lambda: refusals.seen)
    assert "permissions violation for publish" in refusals.seen[0].lower()


@pytest.mark.parametrize(
    "subject",
    [MINE, f"events.{ACCOUNT}.*", "events.>", "beat.>", "live.>", ">", "_INBOX.>", "_INBOX_w-x.>"],
)
async def test_a_worker_may_listen_to_its_own_inbox_alone(
    worker: Client, refusals: Refusals, subject: str
) -> None:
    await worker.subscribe(subject, cb=refusals.note)
    await eventually(lambda: refusals.seen)
    assert "permissions violation for subscription" in refusals.seen[0].lower()


async def test_a_forged_reply_stores_nothing_on_another_subject(
    worker: Client, scheduler: Client
) -> None:
    async def count(subject: str) -> int:
        body = json.dumps({"subjects_filter": subject}).encode()
        answer = json.loads((await scheduler.request("$JS.API.STREAM.INFO.EVENTS", body)).data)
        return int((answer["state"].get("subjects") or {}).get(subject, 0))

    others, mine = await count(OTHERS), await count(MINE)
    await worker.publish(MINE, b"{}", reply=OTHERS)
    await worker.flush()
    await eventually(lambda: count(MINE), until=lambda seen: seen == mine + 1)
    assert await count(OTHERS) == others


async def test_a_workers_user_is_thrown_out_when_it_expires(
    servers: RealServers, tmp_path: Path
) -> None:
    seen = Refusals()
    text = servers.worker_credentials(GRANT, expires=utc_now() + timedelta(seconds=2))
    async with signed_in(servers.nats_url, text, seen, tmp_path) as client:
        await eventually(lambda: client.is_closed, seconds=10)
    with pytest.raises(nats.errors.Error):
        async with signed_in(servers.nats_url, text, seen, tmp_path):
            pass


MAY_PUBLISH: dict[str, set[Role]] = {
    f"events.{ACCOUNT}.task_roles": {"gateway", "scheduler", "operator"},
    "dead.roles": {"scheduler", "projector", "operator"},
    f"live.{ACCOUNT}.task_roles": set(),
    f"beat.{ACCOUNT}.task_roles": set(),
    "$JS.API.STREAM.DELETE.EVENTS": set(),
    "$JS.API.STREAM.PURGE.EVENTS": {"operator"},
    "$JS.API.STREAM.UPDATE.EVENTS": {"operator"},
    "$JS.API.STREAM.MSG.DELETE.EVENTS": set(),
    "$JS.API.STREAM.INFO.EVENTS": {"gateway", "scheduler", "projector", "operator", "analytics"},
    "$JS.API.CONSUMER.CREATE.EVENTS.x": {"scheduler", "projector", "operator", "analytics"},
    "$JS.API.CONSUMER.DELETE.EVENTS.x": {"scheduler", "projector", "operator"},
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("subject", MAY_PUBLISH)
async def test_a_service_may_publish_what_its_role_says_and_no_more(
    servers: RealServers, refusals: Refusals, tmp_path: Path, *, role: Role, subject: str
) -> None:
    text = servers.credentials(role).read_text()
    async with signed_in(servers.nats_url, text, refusals, tmp_path) as client:
        await client.publish(subject, b"not json, so an allowed call of the API does nothing")
        await client.flush()
        if role in MAY_PUBLISH[subject]:
            assert refusals.seen == []
        else:
            await eventually(lambda: refusals.seen)
