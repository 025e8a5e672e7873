"""Composition root: the only place where the gateway's parts meet."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Final, NamedTuple

import httpx
import redis.asyncio as redis
from redis.exceptions import RedisError

from events import GatewayEvent
from events.protocol.api.server import ForgeOffered, ModelOffered, ServerInfo
from infra.log.event_key_settings import make_event_keys
from infra.log.jetstream import Connection, JetStreamLog, connect, wait_for_stream
from infra.runtime.clock import Clock, DraftFactory, utc_now
from infra.runtime.lifecycle import collect_rarely, run_until_signalled
from infra.runtime.settings import Misconfigured
from infra.runtime.telemetry import logger, serve_metrics
from infra.stores.object_store import BucketAddress, open_bucket
from infra.stores.postgres.errors import refused_writes
from services.gateway.accounts.assembly import make_accounts
from services.gateway.accounts.sign_in.mail import Mail
from services.gateway.accounts.tokens import Digests
from services.gateway.broker.assembly import BrokerDependencies, broker
from services.gateway.broker.settings import microusd
from services.gateway.http.allowed_origins import origins
from services.gateway.http.app import make_app
from services.gateway.http.asgi import GatewayApplication
from services.gateway.http.context import (
    GatewayContext,
    TaskContext,
)
from services.gateway.http.response_middleware import ResponseMiddleware
from services.gateway.http.serving.readiness import Readiness
from services.gateway.http.serving.server import bound, make_server, serve
from services.gateway.http.serving.startup import Startup
from services.gateway.http.settings import read_origins
from services.gateway.push.assembly import Push, pushing
from services.gateway.queries.artifacts import artifact_cache
from services.gateway.queries.command_handler import CommandHandler
from services.gateway.queries.log_capacity import LogCapacity
from services.gateway.queries.task_cache import TaskCache
from services.gateway.queries.task_queries import TaskQueries
from services.gateway.queries.usage_queries import UsageQueries
from services.gateway.settings import Settings, read_forges, read_models
from services.gateway.stores.database import Pool, connected, create_pool, prepare_schema
from services.gateway.stores.object_store import Storage
from services.gateway.stores.rate_limiter import RateLimiter
from services.gateway.stores.server_report import OK, Report, ignore_report
from services.gateway.stream.endpoint import Stream
from services.gateway.stream.hub import Hub
from services.gateway.stream.presence import Presence
from services.gateway.stream.redis_reader import RedisReader
from services.gateway.tasks.repository_url import Forge
from services.gateway.tasks.request_validation import SubmissionRules

_MODEL_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
_FORGE_TIMEOUT: Final = httpx.Timeout(120.0, connect=5.0)
_FAILED_SECONDS: Final = 15.0
_CUT_SECONDS: Final = 3.0  # for streams and long polls that do not end by themselves

_log = logger(__name__)


class Gateway(NamedTuple):
    """The gateway, put together: what serves, and what runs beside it."""

    application: GatewayApplication
    stream: Stream
    hub: Hub
    presence: Presence
    push: Push
    mail: Mail

    async def run(self, stopping: asyncio.Event) -> None:
        """Do what is done beside answering, until told to stop."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hub.run(stopping))
            group.create_task(self.presence.run(stopping))
            group.create_task(self.push.run(stopping))
            group.create_task(self.mail.run(stopping))


class _Opened(NamedTuple):
    """The resources, open."""

    nats: Connection
    log: JetStreamLog[GatewayEvent]
    pool: Pool
    live: redis.Redis
    storage: Storage
    model: httpx.AsyncClient
    forges: httpx.AsyncClient


async def main(settings: Settings) -> None:
    """Run until told to stop. What is opened last is closed first.

    It listens at once: while it waits for its servers, readiness names them.
    """
    serve_metrics(settings.metrics_port)
    startup, served = Startup(), asyncio.Event()
    grace_seconds = min(_CUT_SECONDS, settings.grace_seconds)
    server = make_server(startup, grace_seconds=grace_seconds, limits=settings.connection_limits)
    listener = bound(settings.gateway_host, settings.gateway_port)
    _log.info("gateway.listening", host=settings.gateway_host, port=listener.getsockname()[1])

    async def listen(stopping: asyncio.Event) -> None:
        await serve(server, listener, stopping)
        served.set()

    async def work(stopping: asyncio.Event) -> None:
        async with AsyncExitStack() as resources:
            made: Gateway | None = None
            async with startup.opening():
                made = await resources.enter_async_context(gateway(settings, startup.report))
            if made is None:
                return
            collect_rarely()
            startup.hand_over(made.application)
            _log.info("gateway.serving")
            async with asyncio.TaskGroup() as group:
                group.create_task(made.run(stopping))
                await stopping.wait()
                made.stream.drain()
                await served.wait()

    async def stop_opening(stopping: asyncio.Event) -> None:
        await stopping.wait()
        startup.give_up()

    failure: BaseException | None = None
    try:
        await run_until_signalled(listen, work, stop_opening, grace_seconds=settings.grace_seconds)
    except* Misconfigured as failures:
        failure = failures.exceptions[0]
    if failure is not None:
        raise failure


@asynccontextmanager
async def gateway(
    settings: Settings, report: Report = ignore_report, *, clock: Clock = utc_now
) -> AsyncIterator[Gateway]:
    """Open the resources and put the gateway together; `report` receives what is waited for."""
    forges = read_forges(settings.forges)
    allowed = origins(settings.public_url, ",".join(read_origins(settings.allowed_origins)))
    async with _opened(settings, report) as opened, AsyncExitStack() as resources:
        recall = TaskCache(opened.log, utc_now)
        digests = Digests(settings.claim_secret)
        accounts = make_accounts(
            settings,
            opened.pool,
            recall=recall,
            live=opened.live,
            client=opened.forges,
            clock=clock,
        )
        commands = CommandHandler(
            opened.log,
            recall=recall,
            rules=_submission_rules(settings, forges),
            draft_factory=DraftFactory(utc_now),
            room=LogCapacity(opened.log, capacity_bytes=settings.log_capacity_bytes, clock=utc_now),
        )
        states = TaskQueries(opened.log, pool=opened.pool, live=opened.live)
        hub = Hub(opened.log, RedisReader(settings.redis_url), states)
        presence = Presence(opened.live, utc_now)
        push = await resources.enter_async_context(_pushing(settings, opened, presence))
        parts = _parts(opened, recall=recall, digests=digests, forges=forges)
        brokering = await resources.enter_async_context(broker(settings, parts))
        context = GatewayContext(
            tasks=TaskContext(
                log=opened.log,
                commands=commands,
                states=states,
                usage=UsageQueries(opened.pool),
                artifacts=artifact_cache(opened.log, utc_now),
                feeds=hub,
                storage=opened.storage,
            ),
            accounts=accounts,
            limits=RateLimiter(opened.live, settings.requests_per_minute),
            broker=brokering,
            push=push,
            about=_about(settings, forges, accounts.sign_in_methods),
            public_url=settings.public_url,
            operator_token=settings.operator_token,
            allowed_origins=tuple(sorted(allowed)),
            readiness=_readiness(opened),
        )
        stream = _stream(context, hub, presence)
        edge = GatewayApplication(
            stream=stream,
            routes=_routes(settings, context),
            origins=allowed,
            new_id=lambda: secrets.token_hex(8),
        )
        yield Gateway(edge, stream, hub, presence, push, accounts.mail)


def _stream(context: GatewayContext, hub: Hub, presence: Presence) -> Stream:
    return Stream(
        hub=hub,
        access=context.accounts.people,
        perform=context.tasks.commands.perform,
        presence=presence,
        clock=utc_now,
    )


def _routes(settings: Settings, context: GatewayContext) -> ResponseMiddleware:
    return ResponseMiddleware(
        make_app(context),
        is_https=settings.public_url.startswith("https:"),
        body_seconds=settings.body_seconds,
        body_bytes_per_second=settings.body_bytes_per_second,
    )


def _pushing(
    settings: Settings, opened: _Opened, presence: Presence
) -> AbstractAsyncContextManager[Push]:
    return pushing(
        settings,
        public_url=settings.public_url,
        log=opened.log,
        pool=opened.pool,
        attention=presence,
        clock=utc_now,
        entropy=secrets.token_bytes,
    )


def _parts(
    opened: _Opened, *, recall: TaskCache, digests: Digests, forges: tuple[Forge, ...]
) -> BrokerDependencies:
    return BrokerDependencies(
        pool=opened.pool,
        recall=recall,
        digests=digests,
        forges=forges,
        model=opened.model,
        forge=opened.forges,
        clock=utc_now,
        entropy=secrets.token_bytes,
        event_keys=opened.nats.keys,
        storage=opened.storage,
    )


@asynccontextmanager
async def _opened(settings: Settings, report: Report) -> AsyncIterator[_Opened]:
    async with AsyncExitStack() as resources:
        async with asyncio.TaskGroup() as group:
            group.create_task(prepare_schema(settings.postgres_url, report))
            nats = await resources.enter_async_context(
                connect(
                    settings.nats_url,
                    credentials=settings.nats_credentials,
                    name="gateway",
                    keys=make_event_keys(settings.event_keys, settings.events_unsigned_up_to),
                    within_seconds=None,
                )
            )
            await wait_for_stream(nats, partial(report, "nats"))
            report("nats", OK)
        pool = await resources.enter_async_context(create_pool(settings.postgres_url))
        live = redis.Redis.from_url(settings.redis_url, socket_timeout=2)
        resources.push_async_callback(live.aclose)
        address = BucketAddress(
            endpoint_url=settings.s3_endpoint_url,
            region=settings.s3_region,
            bucket=settings.s3_bucket,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key,
        )
        bucket = await resources.enter_async_context(open_bucket(address))
        yield _Opened(
            nats=nats,
            log=JetStreamLog[GatewayEvent](nats),
            pool=pool,
            live=live,
            storage=Storage(bucket),
            model=await resources.enter_async_context(_client(_MODEL_TIMEOUT)),
            forges=await resources.enter_async_context(_client(_FORGE_TIMEOUT)),
        )


def _client(timeout: httpx.Timeout) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=500, max_keepalive_connections=50)
    return httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False)


def _submission_rules(settings: Settings, forges: tuple[Forge, ...]) -> SubmissionRules:
    return SubmissionRules(
        forges,
        settings.model_name,
        models=read_models(settings.models_offered),
        task_budget_microusd=microusd(settings.task_budget_usd, "TASK_BUDGET_USD"),
    )


def _about(
    settings: Settings, forges: tuple[Forge, ...], sign_in_methods: tuple[str, ...]
) -> ServerInfo:
    return ServerInfo(
        model=ModelOffered(settings.model_kind, settings.model_name),
        forges=tuple(ForgeOffered(forge.kind, forge.url) for forge in forges),
        version=version("errand"),
        sign_in_methods=sign_in_methods,
    )


def _readiness(opened: _Opened) -> Readiness:
    async def postgres() -> None:
        async with connected(opened.pool) as connection:
            await connection.execute("SELECT 1")
        if reason := refused_writes.within(_FAILED_SECONDS):
            raise ConnectionError(f"The database could not store a moment ago: {reason}.")

    async def live() -> None:
        try:
            await opened.live.ping()
        except RedisError as error:
            raise ConnectionError(str(error)) from None

    needed = {
        "nats": opened.log.check,
        "postgres": postgres,
        "object_store": opened.storage.check,
    }
    return Readiness(needed, {"redis": live})
