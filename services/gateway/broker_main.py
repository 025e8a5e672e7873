"""Composition root of the broker's process: the only one that reads keys of others."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

import httpx

from infra.runtime.clock import Clock, utc_now
from infra.runtime.telemetry import logger, serve_metrics
from services.gateway.accounts.tokens import Digests
from services.gateway.broker.assembly import BrokerDependencies, broker
from services.gateway.http.apps.broker import make_broker_app
from services.gateway.http.asgi import NamedRequests
from services.gateway.http.response_middleware import ResponseMiddleware
from services.gateway.http.serving.process import Listening, run_process
from services.gateway.http.serving.readiness import Readiness
from services.gateway.queries.task_cache import TaskCache
from services.gateway.settings import BrokerProcessSettings, read_forge_access
from services.gateway.stores.connections import http_client, open_connections
from services.gateway.stores.server_report import Report, ignore_report

_MODEL_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
_FORGE_TIMEOUT: Final = httpx.Timeout(120.0, connect=5.0)

_log = logger(__name__)


class BrokerProcess(NamedTuple):
    """The broker, put together. Its own tasks run while it is open."""

    application: NamedRequests

    async def run(self, stopping: asyncio.Event) -> None:
        """Wait until told to stop."""
        _log.info("broker.serving")
        await stopping.wait()

    def drain(self) -> None:
        """Do nothing: calls that are open get the grace period to end."""


async def main(settings: BrokerProcessSettings) -> None:
    """Run until told to stop. Raises Misconfigured."""
    serve_metrics(settings.metrics_port)
    listening = Listening(
        name="broker",
        host=settings.broker_host,
        port=settings.broker_port,
        limits=settings.connection_limits,
        grace_seconds=settings.grace_seconds,
    )
    await run_process(listening, partial(broker_process, settings))


@asynccontextmanager
async def broker_process(
    settings: BrokerProcessSettings, report: Report = ignore_report, *, clock: Clock = utc_now
) -> AsyncIterator[BrokerProcess]:
    """Open the resources and put the broker together; `report` receives what is waited for."""
    forges = read_forge_access(settings.forges)
    async with (
        open_connections(settings, report, name="broker") as opened,
        AsyncExitStack() as resources,
    ):
        parts = BrokerDependencies(
            pool=opened.pool,
            recall=TaskCache(opened.log, utc_now),
            digests=Digests(settings.claim_secret),
            forges=forges,
            model=await resources.enter_async_context(http_client(_MODEL_TIMEOUT)),
            forge=await resources.enter_async_context(http_client(_FORGE_TIMEOUT)),
            clock=clock,
            entropy=secrets.token_bytes,
            event_keys=opened.nats.keys,
            storage=opened.storage,
        )
        made = await resources.enter_async_context(broker(settings, parts))
        routes = ResponseMiddleware(
            make_broker_app(made, Readiness(opened.checks(), {})),
            is_https=False,
            shapes_reads=False,
            body_seconds=settings.body_seconds,
            body_bytes_per_second=settings.body_bytes_per_second,
        )
        yield BrokerProcess(NamedRequests(routes, lambda: secrets.token_hex(8)))
