"""G14: every user of NATS is refused whatever its part does not take. The tables: nats_rights."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from events import NOWHERE, event_subject
from events.protocol.readers import reader_name
from infra.log.event_log import Unavailable
from infra.log.jetstream import (
    AttemptLog,
    Connection,
    JetStreamLog,
    create_reader,
    delete_reader,
)
from infra.log.jetstream.connection import api
from infra.log.nats_permissions import ROLES, Role
from infra.runtime.clock import utc_now
from tests.kit.build.event_logs import drafts, new_history, texts
from tests.kit.build.signing_keys import verifying
from tests.kit.laws.nats_rights import (
    A_WORKER_MAY_NOT_HEAR,
    A_WORKER_MAY_NOT_PUBLISH,
    A_WORKER_MAY_PUBLISH,
    GRANT,
    MAY_HEAR,
    MAY_PUBLISH,
    READER,
    Refusals,
    refused_to_hear,
    refused_to_publish,
    signed_in,
)
from tests.kit.probe.eventually import eventually
from tests.kit.servers.cluster import LogPlace
from tests.kit.servers.nats_connections import as_admin, as_role, as_worker


@pytest.fixture
async def admin(log_place: LogPlace) -> AsyncIterator[Connection]:
    async with as_admin(log_place) as connection:
        yield connection


async def state_of(admin: Connection) -> tuple[Any, ...]:
    """All that a call could change: both streams' settings, what they hold, and who reads them."""
    told = []
    for stream in ("EVENTS", "DEADLETTERS"):
        found = msgspec.json.decode(await api.request(admin, f"STREAM.INFO.{stream}", {}))
        told.append((found["config"], found["created"], found["state"]["last_seq"]))
        told.append((found["state"]["messages"], found["state"].get("num_deleted", 0)))
    return tuple(told)


@pytest.mark.parametrize("role", ROLES)
async def test_a_service_may_what_its_role_says_and_no_more(
    log_place: LogPlace, admin: Connection, role: Role
) -> None:
    before, refusals = await state_of(admin), Refusals()
    text = log_place.credentials(role).read_text()
    async with signed_in(log_place.nats_url, text, refusals) as client:
        refused = await refused_to_publish(client, refusals, list(MAY_PUBLISH))
        unheard = await refused_to_hear(client, refusals, list(MAY_HEAR))
    assert refused == {subject for subject, roles in MAY_PUBLISH.items() if role not in roles}
    assert unheard == {subject for subject, roles in MAY_HEAR.items() if role not in roles}
    if role != "operator":  # who may purge, and has just done so
        assert await state_of(admin) == before


@pytest.fixture
async def refusals() -> Refusals:
    return Refusals()


@pytest.fixture
async def worker(log_place: LogPlace, refusals: Refusals) -> AsyncIterator[Client]:
    text = log_place.worker_credentials(GRANT, expires=utc_now() + timedelta(minutes=5))
    async with signed_in(log_place.nats_url, text, refusals) as client:
        yield client


async def test_a_worker_may_speak_of_its_task_and_no_more(
    admin: Connection, worker: Client, refusals: Refusals
) -> None:
    before = await state_of(admin)
    tried = [*A_WORKER_MAY_PUBLISH, *A_WORKER_MAY_NOT_PUBLISH]
    assert await refused_to_publish(worker, refusals, tried) == set(A_WORKER_MAY_NOT_PUBLISH)
    assert await state_of(admin) == before


async def test_a_worker_may_listen_to_its_own_inbox_and_no_more(
    worker: Client, refusals: Refusals
) -> None:
    tried = [f"_INBOX_{READER}.one", *A_WORKER_MAY_NOT_HEAR]
    assert await refused_to_hear(worker, refusals, tried) == set(A_WORKER_MAY_NOT_HEAR)


async def test_a_worker_reads_and_writes_its_own_history_and_gets_nothing_of_anothers(
    log_place: LogPlace,
) -> None:
    mine, other = new_history(), new_history()
    async with as_role(log_place, "scheduler") as scheduler, as_worker(log_place, mine) as worker:
        log = JetStreamLog[Any](scheduler)
        for history in (mine, other):
            await log.append(history, drafts("a secret"), after=NOWHERE)
            await create_reader(scheduler, history, 1)
        reader = reader_name(other.task, 1)
        for subject in (event_subject(other), f"$JS.API.CONSUMER.MSG.NEXT.EVENTS.{reader}"):
            with pytest.raises(Unavailable):
                await worker.request(subject, b"{}", within_seconds=0.3)
            await eventually(lambda s=subject: f'publish to "{s.lower()}"' in worker.last_error)
        async with AttemptLog(
            worker,
            mine,
            reader_name(mine.task, 1),
            verify=verifying(log_place.event_keys, mine),
        ) as own:
            seen = await own.catch_up()
            head = await own.append(drafts("mine"), after=seen[-1].head)
        assert ({r.history for r in seen}, head.version) == ({mine}, 2)
        assert texts(await log.read(other)) == ["a secret"]
        for history in (mine, other):
            await delete_reader(scheduler, history, 1)


@pytest.mark.parametrize("role", ["gateway", "scheduler", "projector", "analytics"])
async def test_nobody_but_the_operator_can_take_an_event_out(
    log_place: LogPlace, role: Role
) -> None:
    history = new_history()
    async with as_role(log_place, "scheduler") as scheduler, as_role(log_place, role) as connection:
        log = JetStreamLog[Any](scheduler)
        await log.append(history, drafts("kept"), after=NOWHERE)
        with pytest.raises(Unavailable):
            await api.purge_subject(connection, event_subject(history), below=2, within_seconds=0.3)
        assert texts(await log.read(history)) == ["kept"]
