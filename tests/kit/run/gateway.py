"""Gateway and broker as deployed: their composition roots on the real servers, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import msgspec
import redis.asyncio as redis

from events import AccountId, Guest, History, MachineRequested, TaskId
from infra.log.jetstream import JetStreamLog, connect
from infra.runtime.clock import Clock, DraftFactory, utc_now
from infra.runtime.machine_claim import claim_code
from infra.runtime.settings import variables
from infra.stores.live_channels import Frame, feed_channel, pack
from services.gateway.broker_main import broker_process
from services.gateway.http.serving.server import bound, make_server, serve
from services.gateway.main import gateway
from services.gateway.settings import BrokerProcessSettings, Settings
from tests.kit.laws.documented_answers import require_described

T = TypeVar("T")
OPERATOR = "operator-token-for-tests"
CLAIM_SECRET = "claim-secret-for-tests"
REPOSITORY = "https://github.com/ada/app"
GITHUB = {"kind": "github", "url": "https://github.com", "api_url": "https://api.github.com"}


def settings_for(servers, database: str, port: int, **changes: Any) -> Settings:
    """Settings of a gateway; `changes` may also name settings of the broker."""
    own = {"gateway_port": port, "public_url": f"http://127.0.0.1:{port}"}
    return _settings(Settings, {**_known(servers, database), **own, **changes})


def broker_settings_for(servers, database: str, port: int, **changes: Any) -> BrokerProcessSettings:
    """Settings of a broker; `changes` may also name settings of the gateway."""
    known = {**_known(servers, database), "broker_port": port, **changes}
    return _settings(BrokerProcessSettings, known)


def _settings(kind: type[T], known: dict[str, Any]) -> T:
    assert set(known) <= {*variables(Settings), *variables(BrokerProcessSettings)}
    return kind(**{name: known[name] for name in variables(kind) if name in known})


def _known(servers, database: str) -> dict[str, Any]:
    return {
        "nats_url": servers.nats_url,
        "nats_credentials": servers.credentials("gateway"),
        "event_keys": servers.servers.keys.event_keys,
        "postgres_url": database,
        "redis_url": servers.redis_url,
        "s3_endpoint_url": servers.s3.endpoint,
        "s3_region": servers.s3.region,
        "s3_bucket": servers.s3.bucket,
        "s3_access_key_id": servers.s3.key,
        "s3_secret_access_key": servers.s3.secret,
        "operator_token": OPERATOR,
        "claim_secret": CLAIM_SECRET,
        "account_secrets": "account-secret-for-tests",
        "key_environment": "test",
        "model_base_url": "http://127.0.0.1:9",
        "model_api_key": "sk-server",
        "forges": msgspec.json.encode([GITHUB]).decode(),
        "web_app_folder": "/nonexistent",  # no test depends on a build that may be there
        "nats_worker_url": servers.nats_url,
        # All tests come from one address, and a benchmark is one person in a hurry.
        "reads_a_minute": 10**8,
        "commands_a_minute": 10**8,
        "anonymous_a_minute": 10**8,
        "connections_per_address": 0,
        "nats_workers_account": servers.nats_workers_account,
        "nats_workers_signing_key": servers.nats_workers_signing_key,
    }


class SetClock:
    """A clock that is moved by hand, for what is counted by the minute: no test is that fast."""

    def __init__(self) -> None:
        self.now = utc_now().replace(second=0, microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@asynccontextmanager
async def running_gateway(settings_of, clock: Clock = utc_now) -> AsyncIterator[str]:
    """Run a gateway; `settings_of` makes its settings from its port. Hands out its URL."""
    with bound("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        settings = settings_of(port)
        async with gateway(settings, clock=clock) as made, asyncio.TaskGroup() as group:
            stopping = asyncio.Event()
            server = make_server(
                made.application, grace_seconds=1, limits=settings.connection_limits
            )
            group.create_task(made.run(stopping))
            group.create_task(serve(server, listener, stopping))
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                made.stream.drain()
                stopping.set()


@asynccontextmanager
async def running_broker(settings_of) -> AsyncIterator[str]:
    """Run a broker; `settings_of` makes its settings from its port. Hands out its URL."""
    with bound("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        settings = settings_of(port)
        async with broker_process(settings) as made, asyncio.TaskGroup() as group:
            stopping = asyncio.Event()
            server = make_server(
                made.application, grace_seconds=1, limits=settings.connection_limits
            )
            group.create_task(serve(server, listener, stopping))
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                stopping.set()


class LazyBroker:
    """A broker that is started when a test first needs it: most tests need none."""

    def __init__(self, group: asyncio.TaskGroup, settings_of) -> None:
        self._group = group
        self._settings_of = settings_of
        self._url: asyncio.Future[str] | None = None
        self._ending = asyncio.Event()

    async def url(self) -> str:
        if self._url is None:
            self._url = asyncio.get_running_loop().create_future()
            self._group.create_task(self._run(self._url))
        return await asyncio.shield(self._url)

    def end(self) -> None:
        self._ending.set()

    async def _run(self, started: asyncio.Future[str]) -> None:
        async with running_broker(self._settings_of) as url:
            started.set_result(url)
            await self._ending.wait()


@dataclass
class Attempt:
    """One machine's time with a task, as the scheduler asks for it."""

    history: History
    number: int

    def claim(self, **changes: Any) -> dict[str, Any]:
        code = claim_code(CLAIM_SECRET, self.history.task, self.number)
        account, task = self.history.account, self.history.task
        return {
            "account": account,
            "task": task,
            "attempt": self.number,
            "code": code,
            "machine": "m1",
            **changes,
        }


@dataclass
class World:
    """A gateway, a broker once that is needed, and a hand on the log beside them."""

    url: str
    log: JetStreamLog[Any]
    clients: AsyncExitStack
    redis: redis.Redis
    broker: LazyBroker | None = None
    draft_factory: DraftFactory = field(default_factory=lambda: DraftFactory(utc_now))

    async def broker_client(self, token: str = "") -> httpx.AsyncClient:
        """A client of the broker, whose answers no document describes."""
        assert self.broker is not None, "this gateway was started without a broker"
        return await self._client(token, await self.broker.url())

    async def client(self, token: str = "") -> httpx.AsyncClient:
        return await self._client(token, self.url, require_described)

    async def _client(self, token: str, url: str, *hooks: Any) -> httpx.AsyncClient:
        made = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=30,
            trust_env=False,
            event_hooks={"response": list(hooks)},
        )
        return await self.clients.enter_async_context(made)

    async def pairing(self, account: str) -> str:
        operator = await self.client(OPERATOR)
        answer = await operator.post("/v1/pairings", json={"account": account})
        assert answer.status_code == 201, answer.text
        return answer.json()["code"]

    async def person(self, account: str = "home") -> "Person":
        nobody = await self.client()
        body = {"code": await self.pairing(account), "device": {"name": "phone", "platform": "t"}}
        answer = await nobody.post("/v1/sessions", json=body)
        assert answer.status_code == 201, answer.text
        session = answer.json()
        return Person(self, await self.client(session["token"]), session)

    async def append(self, history: History, *events: Any, by: str = "worker:1") -> int:
        """Append what another service would."""
        before = await self.log.head(history)
        drafts = self.draft_factory.drafts(events, by=by)
        head = await self.log.append(history, drafts, after=before)
        for recorded in await self.log.read(history, after=before.version):
            frame = Frame(recorded.version, recorded.body)  # as the projector's live loop does
            await self.redis.publish(feed_channel(history), pack(frame))
        return head.version

    async def attempt(self, history: History, number: int = 1, *, seconds: float = 600) -> Attempt:
        """Ask for a machine as the scheduler does."""
        await self.append(
            history,
            MachineRequested(
                attempt=number,
                name=f"m{number}",
                region="local",
                guest=Guest("shared", 1, 512),
                deadline=utc_now() + timedelta(seconds=seconds),
            ),
            by="scheduler",
        )
        return Attempt(history, number)

    async def worker(self, attempt: Attempt) -> httpx.AsyncClient:
        """A client with the broker token of an attempt."""
        nobody = await self.broker_client()
        answer = await nobody.post("/broker/claim", json=attempt.claim())
        assert answer.status_code == 200, answer.text
        return await self.broker_client(answer.json()["token"])


@dataclass
class Person:
    """Somebody signed in."""

    world: World
    http: httpx.AsyncClient
    session: dict[str, str]

    @property
    def token(self) -> str:
        return self.session["token"]

    def history(self, task: str) -> History:
        return History(AccountId(self.session["account"]), TaskId(task))

    async def post(self, path: str, body: Any = None, key: str = "") -> httpx.Response:
        headers = {"Idempotency-Key": key or str(uuid4())}
        return await self.http.post(path, json=body, headers=headers)

    async def submit(self, prompt: str = "fix it", *, url: str = REPOSITORY, **more: Any) -> str:
        body = {"prompt": prompt, "repository": {"url": url}, **more}
        answer = await self.post("/v1/tasks", body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]


@asynccontextmanager
async def a_world(
    servers, database: str, clock: Clock = utc_now, **changes: Any
) -> AsyncIterator[World]:
    async with (
        running_gateway(
            lambda port: settings_for(servers, database, port, **changes), clock
        ) as url,
        connect(
            servers.nats_url,
            credentials=servers.credentials("operator"),
            name="test",
            keys=servers.event_keys,
        ) as connection,
        AsyncExitStack() as clients,
        redis.Redis.from_url(servers.redis_url) as live,
        asyncio.TaskGroup() as group,
    ):
        broker = LazyBroker(
            group, lambda port: broker_settings_for(servers, database, port, **changes)
        )
        try:
            yield World(url, JetStreamLog[Any](connection), clients, live, broker)
        finally:
            broker.end()
