"""G8: the state at any version or time is the fold to it; replay has no side effect.

What replay does is watched from outside: each HTTP request on its way to the gateway, each message
in the account of the log, the log's end, and the machines there are.
"""

import asyncio
from functools import reduce

import httpx
import msgspec
import pytest
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NoAnswer

from events import NOWHERE
from events.protocol.task_state import TaskState, evolve
from infra.log.event_log import Unavailable
from infra.log.jetstream import JetStreamLog, Selection, connect, replay
from tests.kit.build.event_logs import drafts, new_history
from tests.kit.probe.recording_proxy import passage
from tests.kit.run.errand_command import errand, finished_task
from tests.kit.run.phone import signed_in
from tests.kit.servers.nats_connections import as_admin, as_role

_MACHINES = "/v1/apps/errand/machines"


@pytest.fixture
async def phone(stack):
    device = await signed_in(stack)
    async with device.gateway:
        yield device


@pytest.fixture(scope="module")
def done(stack):
    """A task that has gone its whole way, and its history."""
    return asyncio.run(finished_task(stack))


async def test_the_state_at_every_version_and_time_is_the_fold_to_it(stack, phone, done):
    task, history = done
    path = f"/v1/tasks/{task['id']}/state"
    for length, last in enumerate(history, 1):
        expected = reduce(evolve, history[:length], None)
        at_version = await phone.get(path, at=last.version)
        assert msgspec.convert(at_version["state"], TaskState) == expected
        assert at_version["head"] == len(history)
    for moment in history[:: max(1, len(history) // 5)]:
        prefix = max(n for n, r in enumerate(history, 1) if r.at <= moment.at)
        at_time = await phone.get(path, at=moment.at.isoformat())
        expected = reduce(evolve, history[:prefix], None)
        assert msgspec.convert(at_time["state"], TaskState) == expected


class Watched:
    """The requests in the log's account, and the end of the log, while a test goes on."""

    def __init__(self, stack):
        self.stack = stack
        self.said: list[str] = []

    async def __aenter__(self):
        self._admin = as_admin(self.stack)
        connection = await self._admin.__aenter__()

        async def note(message):
            self.said.append(message.subject)

        for subject in ("events.>", "beat.>", "live.>", "dead.>"):
            await connection.client.subscribe(subject, cb=note)
        await connection.client.flush()
        self._connection = connection
        self._before = await self._counts()
        return self

    async def _counts(self):
        log = JetStreamLog(self._connection)
        return await log.info(), await machines(self.stack)

    async def __aexit__(self, kind, error, trace):
        if kind is None:
            await self._connection.client.flush()
            assert await self._counts() == self._before
            assert self.said == []
        await self._admin.__aexit__(kind, error, trace)


async def machines(stack):
    keys = stack.servers.keys
    headers = {"Authorization": f"Bearer {keys.machines_token}"}
    base = f"http://127.0.0.1:{stack.servers.ports['machines']}"
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as client:
        answer = await client.get(_MACHINES, params={"include_deleted": "true"})
    return sorted((m["id"], m["updated_at"]) for m in answer.raise_for_status().json())


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "TASK", "--speed", "1000"),
        ("replay", "TASK", "--speed", "1000", "--json"),
        ("show", "TASK", "--at", "5"),
        ("diff", "TASK", "1", "9"),
    ],
    ids=" ".join,
)
async def test_looking_back_reads_and_does_nothing_else(stack, phone, done, tmp_path, arguments):
    told = [done[0]["id"] if a == "TASK" else a for a in arguments]
    async with Watched(stack), passage(stack.gateway_url) as way:
        said = await errand(stack, phone, tmp_path, *told, url=way.url)
    assert said
    assert way.requests
    assert {request.split()[0] for request in way.requests} == {"GET"}


async def test_reading_the_log_at_any_pace_publishes_no_event(stack, done):
    task, history = done
    async with Watched(stack), as_role(stack, "analytics") as analyst:
        info = await JetStreamLog(analyst).info()
        selection = Selection(account=task["account"], up_to=info.last_sequence, speed=1000.0)
        seen = [r async for batch in replay(analyst, "g08", selection) for r in batch]
    assert [r for r in seen if r.task == task["id"]] == history


@pytest.mark.parametrize("kind", ["events", "beat", "live", "dead"])
async def test_who_reads_for_analysis_could_not_even_publish(stack, done, kind):
    credentials = stack.credentials("analytics")
    async with connect(
        stack.nats_url, credentials=credentials, name="g08", keys=stack.event_keys
    ) as analyst:
        async with Watched(stack):
            subject = f"{kind}.{done[0]['account']}.{done[0]['id']}"
            with pytest.raises((Unavailable, NoAnswer, NoRespondersError)):
                await analyst.request(subject, b"{}", within_seconds=0.3)
        assert "permissions violation" in analyst.last_error.lower()


async def test_a_reading_to_an_end_holds_all_up_to_it_on_one_server_and_on_three(log_place):
    history = new_history()
    async with (
        as_role(log_place, "scheduler") as writer,
        as_role(log_place, "analytics") as analyst,
    ):
        log = JetStreamLog(writer)
        head = NOWHERE
        for number in range(20):  # the end is asked for at once, whichever server answers
            head = await log.append(history, drafts(str(number), "more"), after=head)
            selection = Selection(account=history.account, up_to=head.sequence)
            seen = [r async for batch in replay(analyst, "g08", selection) for r in batch]
            assert [r.version for r in seen] == list(range(1, head.version + 1))
