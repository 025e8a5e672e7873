"""A worker keeps atomic batches open on the stream that all share: others append all the same."""

import asyncio
from datetime import timedelta

from events import (
    NOWHERE,
    AccountId,
    History,
    PlanItem,
    PlanUpdated,
    Repository,
    TaskId,
    TaskSubmitted,
    event_subject,
)
from events.protocol.readers import reader_name
from infra.log.jetstream import JetStreamLog, connect
from infra.log.jetstream.connection.api import STREAM
from infra.log.nats_permissions import WorkerGrant
from infra.runtime.clock import DraftFactory, utc_now
from tests.kit.laws.nats_rights import Refusals, signed_in

OPEN_BATCHES = 120
OTHERS = 20


def history(name):
    return History(AccountId(f"acc_{name}"), TaskId(f"task_{name}"))


async def test_open_batches_of_one_worker_stop_nobody(servers):
    hostile, innocent = history("openbatches"), history("innocent")
    grant = WorkerGrant(hostile.account, hostile.task, reader_name(hostile.task, 1))
    expires = utc_now() + timedelta(minutes=5)
    creds = servers.worker_credentials(grant, expires=expires)
    draft_factory = DraftFactory(utc_now)
    async with (
        signed_in(servers.nats_url, creds, Refusals()) as attacker,
        connect(
            servers.nats_url,
            credentials=servers.credentials("operator"),
            name="test",
            keys=servers.event_keys,
        ) as connection,
    ):
        stop = asyncio.Event()
        opened = asyncio.Event()

        async def attack():
            number = 0
            while not stop.is_set():
                for _ in range(OPEN_BATCHES):  # each is begun and never committed
                    number += 1
                    headers = {
                        "Nats-Batch-Id": f"open-{number}",
                        "Nats-Batch-Sequence": "1",
                        "Nats-Expected-Stream": STREAM,
                    }
                    await attacker.publish(event_subject(hostile), b"{}", headers=headers)
                await attacker.flush()
                opened.set()
                await asyncio.wait({asyncio.ensure_future(stop.wait())}, timeout=1)

        async with asyncio.TaskGroup() as group:
            group.create_task(attack())
            await opened.wait()
            log = JetStreamLog(connection, deadline_seconds=5)
            submitted = TaskSubmitted(prompt="Fix it", repository=Repository("u"), model="m")
            head = await log.append(
                innocent, draft_factory.drafts([submitted], by="person:per_1"), after=NOWHERE
            )
            began = asyncio.get_running_loop().time()
            for number in range(OTHERS):
                step = PlanUpdated(items=(PlanItem(f"s{number}", "active"),))
                head = await log.append(
                    innocent, draft_factory.drafts((step, step), by="worker:1"), after=head
                )
            seconds = asyncio.get_running_loop().time() - began
            stop.set()
        assert head.version == 1 + 2 * OTHERS
        assert seconds < OTHERS * 0.25 + 2  # one refusal would cost a pause of a quarter second
