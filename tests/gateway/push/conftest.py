"""Push services beside a gateway; and the parts of push alone, on a clock that the test moves."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from events import (
    AccountId,
    CallId,
    History,
    PersonId,
    QuestionAsked,
    Repository,
    RequestId,
    TaskId,
    TaskSubmitted,
)
from infra.log.jetstream import JetStreamLog, connect
from infra.runtime.clock import DraftFactory
from services.gateway.push.assembly import Push, pushing
from services.gateway.push.devices import Device
from services.gateway.push.notification.address import ApnsAddress, FcmAddress
from services.gateway.stores.database import create_pool, prepare_schema
from services.gateway.tasks.access import Principal
from tests.kit.fakes.push_services import (
    APPLE,
    Browser,
    MovableClock,
    PushWorld,
    push_world,
    web_address,
)
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import World, a_world

ASKED = QuestionAsked(request=RequestId("req_1"), call=CallId("call_1"), text="Which one?")


@pytest.fixture
def apple_is_here(monkeypatch):
    """Apple's push service for browsers is found at the loopback address, and nowhere else."""
    found = socket.getaddrinfo

    def here(host, *args, **named):
        return found("127.0.0.1" if host in (APPLE, APPLE.encode()) else host, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.fixture
async def outside(tmp_path) -> AsyncIterator[PushWorld]:
    """The push services of the internet."""
    async with push_world(tmp_path) as made:
        yield made


@pytest.fixture
async def world(servers, fresh_database, outside) -> AsyncIterator[World]:
    """A gateway that may push through them, and has found its place in the log."""
    async with a_world(servers, fresh_database, **outside.variables) as made:
        connection = await asyncpg.connect(fresh_database)
        try:
            await eventually(
                lambda: connection.fetchval("SELECT count(*) FROM accounts.push_position"),
                seconds=30,
            )
        finally:
            await connection.close()
        yield made


@dataclass
class Rig:
    """Push without a gateway around it. Nothing is sent unless `send` is called."""

    database: asyncpg.Connection
    log: JetStreamLog[Any]
    outside: PushWorld
    clock: MovableClock
    gateways: list[Push]
    seen: set[tuple[PersonId, TaskId, int]] = field(default_factory=set)

    @property
    def push(self) -> Push:
        return self.gateways[0]

    async def is_looking(self, person: PersonId, task: TaskId, version: int) -> bool:
        return (person, task, version) in self.seen

    async def person(self, account: str, name: str) -> Principal:
        """Somebody signed in, of an account of this test's own."""
        account = f"acc_{account}_{secrets.token_hex(4)}" if "_" not in account else account
        person, session = f"per_{secrets.token_hex(8)}", f"ses_{secrets.token_hex(8)}"
        now = self.clock()
        await self.database.execute(
            "INSERT INTO accounts.account VALUES ($1, $1, $2) ON CONFLICT DO NOTHING", account, now
        )
        await self.database.execute(
            "INSERT INTO accounts.person (person, account, name, created_at, role)"
            " VALUES ($1, $2, $3, $4, 'member')",
            *(person, account, name, now),
        )
        await self.database.execute(
            "INSERT INTO accounts.session (session, account, person, device, platform,"
            " created_at, seen_at) VALUES ($1, $2, $3, '', '', $4, $4)",
            *(session, account, person, now),
        )
        return Principal(AccountId(account), PersonId(person), session)

    async def browser(self, who: Principal) -> tuple[Browser, Device]:
        """A browser of the person's, registered."""
        web = self.push.providers.web
        assert web is not None
        browser = self.outside.browser(web.vapid.public_key)
        made = await self.push.devices.register(who, web_address(browser), "b")
        return browser, made.device

    async def iphone(self, who: Principal) -> tuple[Browser, Device]:
        """A browser of Apple's, registered; of use with `apple_is_here`."""
        web = self.push.providers.web
        assert web is not None
        browser = self.outside.apple_browser(web.vapid.public_key)
        made = await self.push.devices.register(who, web_address(browser), "iphone")
        return browser, made.device

    async def phone(self, who: Principal, kind: str) -> Device:
        """A phone of the person's, registered."""
        services = self.outside.services
        address = (
            ApnsAddress(services.apple.install())
            if kind == "apns"
            else FcmAddress(services.google.install())
        )
        return (await self.push.devices.register(who, address, kind)).device

    async def task(self, who: Principal) -> History:
        """A task that was submitted."""
        history = History(who.account, TaskId("task_" + secrets.token_hex(13).translate(_LETTERS)))
        event = TaskSubmitted(prompt="Fix it\nsecretly", repository=Repository("u"), model="m")
        await self.say(history, event, by=who.by)
        return history

    async def say(self, history: History, *events: Any, by: str = "worker:1") -> int:
        """Append events."""
        drafts = DraftFactory(self.clock).drafts(events, by=by)
        head = await self.log.append(history, drafts, after=await self.log.head(history))
        return head.version

    async def known(self, history: History, version: int) -> None:
        """Wait until the pushes of a version are made; of a version that makes some."""
        query = "SELECT count(*) FROM accounts.push WHERE task = $1 AND version = $2"
        await eventually(lambda: self.database.fetchval(query, history.task, version), seconds=30)

    async def ask(self, who: Principal) -> tuple[History, int]:
        """A task that asks its question, its pushes made and due."""
        history = await self.task(who)
        version = await self.say(history, ASKED)
        await self.known(history, version)
        self.clock.move(seconds=4)
        return history, version

    async def send(self, gateway: int = 0) -> int:
        """Send what is due; tell how many that were."""
        push = self.gateways[gateway]
        claimed = await push.pushes.claim(100)
        for due in claimed:
            await push.sender.deliver(due)
        return len(claimed)

    async def states(self, who: Principal, device: Device) -> list[tuple[str, str]]:
        """Class and state of every push to a device, oldest first."""
        page = await self.push.delivery_log.page(who, device.id, after="", limit=200)
        return [(sent.push_class, sent.state) for sent in reversed(page.data)]

    @asynccontextmanager
    async def following(self, *gateways: int) -> AsyncIterator[None]:
        """Read the log meanwhile."""
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for gateway in gateways or (0,):
                group.create_task(self.gateways[gateway].follower.run(stopping))
            query = "SELECT count(*) FROM accounts.push_position"
            await eventually(lambda: self.database.fetchval(query), seconds=30)
            yield
            stopping.set()


_LETTERS = str.maketrans("0189", "ghij")


@pytest.fixture
async def rig(servers, fresh_database, tmp_path) -> AsyncIterator[Rig]:
    """The parts of two gateways, on one database and one clock."""
    clock = MovableClock()
    await prepare_schema(fresh_database)
    async with AsyncExitStack() as resources:
        enter = resources.enter_async_context
        outside = await enter(push_world(tmp_path, clock))
        database = await asyncpg.connect(fresh_database)
        resources.push_async_callback(database.close)
        operator = servers.credentials("operator")
        log = JetStreamLog[Any](
            await enter(
                connect(
                    servers.nats_url, credentials=operator, name="test", keys=servers.event_keys
                )
            )
        )
        rig = Rig(database, log, outside, clock, [])
        for _ in range(2):
            gateway = servers.credentials("gateway")
            connection = await enter(
                connect(
                    servers.nats_url, credentials=gateway, name="gateway", keys=servers.event_keys
                )
            )
            made = pushing(
                outside.settings,
                public_url="https://errand.example",
                log=JetStreamLog(connection),
                pool=await enter(create_pool(fresh_database)),
                attention=rig,
                clock=clock,
                entropy=secrets.token_bytes,
            )
            rig.gateways.append(await enter(made))
        yield rig
