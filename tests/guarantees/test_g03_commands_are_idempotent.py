"""G3: a command said any number of times has one effect, and always the same answer.

Whatever was lost in between: the log's answer, the connection, the gateway and all it remembered,
the server, the two minutes in which JetStream itself would notice a repeat.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec
import pytest

from events import NOWHERE, AccountId, GatewayEvent, History, PersonId, TaskId, uuid7
from events.protocol.api.requests import (
    CommandRequest,
    InstructionRequest,
    RepositoryRequest,
    TaskRequest,
)
from infra.log.jetstream import Connection, JetStreamLog, provision
from infra.log.jetstream.connection import api
from infra.runtime.clock import DraftFactory, utc_now
from services.gateway.commands.command_handler import CommandHandler, CommandResult
from services.gateway.commands.fork.preparation import ForkPreparation
from services.gateway.problems import Refused
from services.gateway.queries.task_cache import TaskCache
from services.gateway.stores.object_store import Storage
from services.gateway.tasks.access import Principal
from services.gateway.tasks.command_declarations import parse_command_id
from services.gateway.tasks.repository_url import Forge
from services.gateway.tasks.request_validation import SubmissionRules
from tests.gateway.kit.memory_bucket import MemoryBucket, attachments_in
from tests.kit.build.event_logs import drafts, new_history
from tests.kit.faults.tampering import is_ack, once, tampered
from tests.kit.laws.linear_histories import PATIENCE_SECONDS, raw
from tests.kit.servers.cluster import LogPlace
from tests.kit.servers.nats_connections import as_admin, as_role

RULES = SubmissionRules(
    (Forge(kind="github", url="https://github.com", api_url="https://x"),), "deployment"
)
SUBMISSION = TaskRequest(
    prompt="fix it", repository=RepositoryRequest(url="https://github.com/ada/app")
)


def new_command() -> str:
    return str(uuid7(int(utc_now().timestamp() * 1000), secrets.token_bytes(10)))


class Gateway:
    """Commands over the real log, with a memory of its own: a new one is a restarted gateway."""

    def __init__(self, connection: Connection, ada: Principal, *, seconds: float) -> None:
        log = JetStreamLog[GatewayEvent](connection, deadline_seconds=seconds)
        self._ada = ada
        recall = TaskCache(log, utc_now)
        self._commands = CommandHandler(
            log,
            recall=recall,
            attachments=attachments_in(MemoryBucket(), recall, utc_now),
            forks=ForkPreparation(log, Storage(MemoryBucket()), RULES),
            rules=RULES,
            draft_factory=DraftFactory(utc_now),
        )

    async def submit(self, command: str) -> CommandResult:
        return await self._perform(None, command, SUBMISSION)

    async def say(self, task: TaskId, command: str, text: str) -> CommandResult:
        return await self._perform(task, command, InstructionRequest(text=text))

    async def _perform(
        self, task: TaskId | None, command: str, request: CommandRequest
    ) -> CommandResult:
        return await self._commands.perform(
            self._ada, task, command_id=parse_command_id(command), request=request
        )


class Deployment:
    """An account, and as many gateways over its log as a test asks for."""

    def __init__(self, place: LogPlace, open_connections: AsyncExitStack) -> None:
        self._place = place
        self._open = open_connections
        account = new_history().account
        self.ada = Principal(AccountId(account), PersonId("per_ada"), "ses_ada")

    async def connection(self) -> Connection:
        return await self._open.enter_async_context(as_role(self._place, "gateway"))

    async def gateway(self, *, seconds: float = PATIENCE_SECONDS) -> Gateway:
        return Gateway(await self.connection(), self.ada, seconds=seconds)

    async def causes(self, task: TaskId) -> list[str]:
        """By which command each stored message came to be; whatever is stored must be an event."""
        history = History(self.ada.account, task)
        stored = await raw(await self.connection(), history)
        return [msgspec.json.decode(message.body)["cause"] for message in stored]


@pytest.fixture
async def deployment(log_place: LogPlace) -> AsyncIterator[Deployment]:
    async with AsyncExitStack() as connections:
        yield Deployment(log_place, connections)


async def test_said_at_once_by_many_to_two_gateways_it_is_done_once(deployment: Deployment) -> None:
    gateways = [await deployment.gateway(), await deployment.gateway()]
    submit, say = new_command(), new_command()
    submitted: set[CommandResult] = set()
    said: set[CommandResult] = set()

    async def insist(gateway: Gateway) -> None:
        submitted.add(await gateway.submit(submit))
        [performed, *_] = submitted
        said.add(await gateway.say(performed.task, say, "and the tests"))

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(insist(gateways[number % 2]))

    [task] = {performed.task for performed in submitted}
    assert {performed.version for performed in submitted} == {1}
    assert {performed.version for performed in said} == {2}
    assert await deployment.causes(task) == [submit, say]


async def test_a_lost_answer_of_the_log_is_asked_for_again(deployment: Deployment) -> None:
    connection = await deployment.connection()
    gateway = Gateway(connection, deployment.ada, seconds=PATIENCE_SECONDS)
    submit = new_command()
    with tampered(connection, once("lost", is_ack)) as befallen:
        performed = await gateway.submit(submit)
    assert befallen == ["lost"]
    assert performed.version == 1
    assert await deployment.causes(performed.task) == [submit]


async def test_when_no_answer_ever_came_the_repeat_elsewhere_finds_what_was_done(
    deployment: Deployment,
) -> None:
    connection = await deployment.connection()
    deaf, other = Gateway(connection, deployment.ada, seconds=0.3), await deployment.gateway()
    submit, say = new_command(), new_command()
    task = (await other.submit(submit)).task
    with (
        tampered(connection, lambda reply, body: "lost" if is_ack(reply, body) else "") as lost,
        pytest.raises(Refused) as refused,
    ):
        await deaf.say(task, say, "and the tests")
    assert lost
    assert (refused.value.problem.status, refused.value.problem.retryable) == (503, True)
    assert refused.value.retry_after_seconds > 0

    assert (await other.say(task, say, "and the tests")).version == 2
    assert (await (await deployment.gateway()).say(task, say, "and the tests")).version == 2
    assert await deployment.causes(task) == [submit, say]


async def test_the_same_id_for_something_else_is_refused_by_a_restarted_gateway(
    deployment: Deployment,
) -> None:
    submit, say = new_command(), new_command()
    before = await deployment.gateway()
    task = (await before.submit(submit)).task
    await before.say(task, say, "and the tests")
    with pytest.raises(Refused) as refused:
        await (await deployment.gateway()).say(task, say, "and something else")
    assert refused.value.problem.status == 422
    assert await deployment.causes(task) == [submit, say]


async def test_commands_insisted_upon_while_the_leader_is_killed_are_done_once_each(
    deployment: Deployment, log_place: LogPlace
) -> None:
    task = (await (await deployment.gateway()).submit(submit := new_command())).task
    commands = [new_command() for _ in range(12)]
    answers: dict[str, set[int]] = {command: set() for command in commands}

    async def insist(gateway: Gateway, command: str) -> None:
        while len(answers[command]) == 0:
            try:
                answers[command].add((await gateway.say(task, command, command)).version)
            except Refused as refused:
                assert refused.problem.status == 503  # noqa: PT017 - what else is a failure
                await asyncio.sleep(0.1 * refused.retry_after_seconds)

    async with asyncio.TaskGroup() as group:
        killing = group.create_task(log_place.kill_leader())
        for number, command in enumerate(commands):
            gateway = await deployment.gateway(seconds=1.0 if number % 2 else PATIENCE_SECONDS)
            for _ in range(2):
                group.create_task(insist(gateway, command))
    assert killing.done()

    causes = await deployment.causes(task)
    assert causes[0] == submit
    assert sorted(causes[1:]) == sorted(commands)
    for command, versions in answers.items():
        assert versions == {causes.index(command) + 1}


async def test_the_same_append_is_found_after_the_logs_own_memory_of_it_is_gone(
    log_place: LogPlace,
) -> None:
    history, same = new_history(), drafts("a", "b")
    async with as_admin(log_place) as admin, as_role(log_place, "gateway") as connection:
        log = JetStreamLog[object](connection, deadline_seconds=PATIENCE_SECONDS)
        answer = msgspec.json.decode(await api.request(admin, "STREAM.INFO.EVENTS", {}))
        short = answer["config"] | {"duplicate_window": 100_000_000}
        try:
            await api.request(admin, "STREAM.UPDATE.EVENTS", short)
            head = await log.append(history, same, after=NOWHERE)
            await log.append(history, drafts("c"), after=head)
            await asyncio.sleep(0.5)  # the window passes; nothing tells when
            assert await log.append(history, same, after=NOWHERE) == head
        finally:
            operator = log_place.credentials("operator")
            await provision(log_place.nats_url, operator, replicas=log_place.replicas)
        assert len(await raw(connection, history)) == 3
