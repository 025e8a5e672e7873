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

from events.protocol.api.server import ForgeOffered, ModelOffered, ServerInfo
from infra.runtime.clock import Clock, DraftFactory, utc_now
from infra.runtime.telemetry import logger, serve_metrics
from services.gateway.accounts.assembly import make_accounts
from services.gateway.accounts.sign_in.mail import Mail
from services.gateway.broker.records import broker_records
from services.gateway.broker.settings import microusd
from services.gateway.commands.attachments import Attachments
from services.gateway.commands.command_handler import CommandHandler
from services.gateway.commands.fork.preparation import ForkPreparation
from services.gateway.commands.log_capacity import LogCapacity
from services.gateway.http.apps.gateway import make_app
from services.gateway.http.asgi import GatewayApplication, NamedRequests
from services.gateway.http.browser.allowed_origins import origins
from services.gateway.http.browser.web_app import WebApp, web_app_folder
from services.gateway.http.context import (
    GatewayContext,
    TaskContext,
)
from services.gateway.http.response_middleware import ResponseMiddleware
from services.gateway.http.serving.process import Listening, run_process
from services.gateway.http.serving.readiness import Readiness
from services.gateway.http.settings import read_origins
from services.gateway.push.assembly import Push, pushing
from services.gateway.queries.artifacts import artifact_cache
from services.gateway.queries.precedents import PrecedentQueries
from services.gateway.queries.shared_tasks import SharedTasks
from services.gateway.queries.shares import Shares
from services.gateway.queries.task_cache import TaskCache
from services.gateway.queries.task_queries import TaskQueries
from services.gateway.queries.usage_queries import UsageQueries
from services.gateway.queries.work_changes import WorkChangeQueries
from services.gateway.settings import Settings, read_forges, read_models
from services.gateway.stores.connections import Connections, http_client, open_connections
from services.gateway.stores.environment_packs import EnvironmentPacks
from services.gateway.stores.environments import EnvironmentStore
from services.gateway.stores.rate_limiter import RateLimiter
from services.gateway.stores.recent_choices import RecentChoices
from services.gateway.stores.seen_cursors import SeenCursorStore
from services.gateway.stores.server_report import Report, ignore_report
from services.gateway.stores.templates import TemplateStore
from services.gateway.stream.endpoint import Stream
from services.gateway.stream.hub import Hub
from services.gateway.stream.presence import Presence
from services.gateway.stream.redis_connection import RedisReader
from services.gateway.stream.seen import SeenExchange
from services.gateway.tasks.repository_url import Forge
from services.gateway.tasks.request_validation import SubmissionRules

_SIGN_IN_TIMEOUT: Final = httpx.Timeout(120.0, connect=5.0)

_log = logger(__name__)


class Gateway(NamedTuple):
    """The gateway, put together: what serves, and what runs beside it."""

    application: GatewayApplication
    stream: Stream
    hub: Hub
    presence: Presence
    seen: SeenExchange
    push: Push
    mail: Mail
    attachments: Attachments

    async def run(self, stopping: asyncio.Event) -> None:
        """Do what is done beside answering, until told to stop."""
        _log.info("gateway.serving")
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hub.run(stopping))
            group.create_task(self.presence.run(stopping))
            group.create_task(self.seen.run(stopping))
            group.create_task(self.push.run(stopping))
            group.create_task(self.mail.run(stopping))
            group.create_task(self.attachments.run(stopping))

    def drain(self) -> None:
        """Ask the phones on the stream to go."""
        self.stream.drain()


async def main(settings: Settings) -> None:
    """Run until told to stop. Raises Misconfigured."""
    serve_metrics(settings.metrics_port)
    listening = Listening(
        name="gateway",
        host=settings.gateway_host,
        port=settings.gateway_port,
        limits=settings.connection_limits,
        grace_seconds=settings.grace_seconds,
    )
    await run_process(listening, partial(gateway, settings))


@asynccontextmanager
async def gateway(
    settings: Settings, report: Report = ignore_report, *, clock: Clock = utc_now
) -> AsyncIterator[Gateway]:
    """Open the resources and put the gateway together; `report` receives what is waited for."""
    forges = read_forges(settings.forges)
    allowed = origins(settings.public_url, ",".join(read_origins(settings.allowed_origins)))
    async with (
        open_connections(settings, report, name="gateway") as opened,
        AsyncExitStack() as resources,
    ):
        live = redis.Redis.from_url(settings.redis_url, socket_timeout=2)
        resources.push_async_callback(live.aclose)
        recall = TaskCache(opened.log, utc_now)
        accounts = make_accounts(
            settings,
            opened.pool,
            recall=recall,
            live=live,
            client=await resources.enter_async_context(http_client(_SIGN_IN_TIMEOUT)),
            clock=clock,
        )
        attachments = Attachments(opened.storage, recall, clock=clock, entropy=secrets.token_bytes)
        commands = _commands(settings, opened, attachments, recall)
        states = TaskQueries(opened.log, pool=opened.pool, live=live)
        hub = Hub(opened.log, RedisReader(settings.redis_url), states)
        presence = Presence(live, utc_now)
        push = await resources.enter_async_context(_pushing(settings, opened, presence))
        context = GatewayContext(
            tasks=_task_context(opened, commands, states, hub, shares=_shares(settings, opened)),
            accounts=accounts,
            environments=EnvironmentStore(opened.pool),
            packs=EnvironmentPacks(opened.pool, opened.storage, utc_now),
            limits=RateLimiter(live, settings.requests_per_minute),
            records=broker_records(settings, opened.pool, utc_now),
            push=push,
            seen=SeenCursorStore(opened.pool, utc_now),
            templates=TemplateStore(opened.pool, clock=utc_now, entropy=secrets.token_bytes),
            recents=RecentChoices(opened.pool),
            about=_about(settings, forges, accounts.sign_in_methods),
            public_url=settings.public_url,
            operator_token=settings.operator_token,
            allowed_origins=tuple(sorted(allowed)),
            readiness=_readiness(opened, live),
            clock=utc_now,
            forges=forges,
        )
        seen = SeenExchange(context.seen, live)
        stream = _stream(context, hub, seen, presence)
        routes = _routes(settings, context)
        edge = GatewayApplication(stream=stream, routes=routes, origins=allowed)
        yield Gateway(edge, stream, hub, presence, seen, push, accounts.mail, attachments)


def _commands(
    settings: Settings, opened: Connections, attachments: Attachments, recall: TaskCache
) -> CommandHandler:
    rules = _submission_rules(settings, read_forges(settings.forges))
    room = LogCapacity(opened.log, capacity_bytes=settings.log_capacity_bytes, clock=utc_now)
    return CommandHandler(
        opened.log,
        recall=recall,
        attachments=attachments,
        forks=ForkPreparation(opened.log, opened.storage, rules),
        rules=rules,
        draft_factory=DraftFactory(utc_now),
        settings=EnvironmentStore(opened.pool).settings,
        room=room,
    )


def _task_context(
    opened: Connections,
    commands: CommandHandler,
    states: TaskQueries,
    feeds: Hub,
    *,
    shares: Shares,
) -> TaskContext:
    return TaskContext(
        log=opened.log,
        commands=commands,
        states=states,
        usage=UsageQueries(opened.pool),
        artifacts=artifact_cache(opened.log, utc_now),
        precedents=PrecedentQueries(opened.log, opened.pool, clock=utc_now),
        changes=WorkChangeQueries(opened.log, opened.storage, clock=utc_now),
        attachments=commands.attachments,
        feeds=feeds,
        storage=opened.storage,
        shares=shares,
        shared=SharedTasks(opened.log),
    )


def _stream(context: GatewayContext, hub: Hub, seen: SeenExchange, presence: Presence) -> Stream:
    return Stream(
        hub=hub,
        seen=seen,
        access=context.accounts.people,
        perform=context.tasks.commands.perform,
        presence=presence,
        clock=utc_now,
    )


def _routes(settings: Settings, context: GatewayContext) -> NamedRequests:
    routes = ResponseMiddleware(
        make_app(context),
        is_https=settings.public_url.startswith("https:"),
        body_seconds=settings.body_seconds,
        body_bytes_per_second=settings.body_bytes_per_second,
    )
    folder = web_app_folder(settings.web_app_folder)
    app = WebApp(routes, folder=folder, public_url=settings.public_url)
    return NamedRequests(app, lambda: secrets.token_hex(8))


def _pushing(
    settings: Settings, opened: Connections, presence: Presence
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


def _shares(settings: Settings, opened: Connections) -> Shares:
    return Shares(
        opened.pool, public_url=settings.public_url, clock=utc_now, entropy=secrets.token_bytes
    )


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


def _readiness(opened: Connections, redis_: redis.Redis) -> Readiness:
    async def live() -> None:
        try:
            await redis_.ping()
        except RedisError as error:
            raise ConnectionError(str(error)) from None

    return Readiness(opened.checks(), {"redis": live})
