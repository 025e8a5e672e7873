"""Connections that both processes open: the log, Postgres, the object store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

import httpx

from events import GatewayEvent
from infra.log.event_key_settings import make_event_keys
from infra.log.jetstream import Connection, JetStreamLog, connect, wait_for_stream
from infra.stores.object_store import BucketAddress, open_bucket
from infra.stores.postgres.errors import refused_writes
from services.gateway.stores.database import Pool, connected, create_pool, prepare_schema
from services.gateway.stores.object_store import Storage
from services.gateway.stores.server_report import OK, Report
from services.gateway.stores.settings import LastingStoreSettings

_FAILED_SECONDS: Final = 15.0


class Connections(NamedTuple):
    """The connections, open."""

    nats: Connection
    log: JetStreamLog[GatewayEvent]
    pool: Pool
    storage: Storage

    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Return a check of each server, without which no work can be done."""

        async def postgres() -> None:
            async with connected(self.pool) as connection:
                await connection.execute("SELECT 1")
            if reason := refused_writes.within(_FAILED_SECONDS):
                raise ConnectionError(f"The database could not store a moment ago: {reason}.")

        return {
            "nats": self.log.check,
            "postgres": postgres,
            "object_store": self.storage.check,
        }


@asynccontextmanager
async def open_connections(
    settings: LastingStoreSettings, report: Report, *, name: str
) -> AsyncIterator[Connections]:
    """Open them, once the servers are there; `report` receives what is waited for."""
    async with AsyncExitStack() as resources:
        async with asyncio.TaskGroup() as group:
            group.create_task(prepare_schema(settings.postgres_url, report))
            nats = await resources.enter_async_context(
                connect(
                    settings.nats_url,
                    credentials=settings.nats_credentials,
                    name=name,
                    keys=make_event_keys(settings.event_keys, settings.events_unsigned_up_to),
                    within_seconds=None,
                )
            )
            await wait_for_stream(nats, partial(report, "nats"))
            report("nats", OK)
        pool = await resources.enter_async_context(create_pool(settings.postgres_url))
        address = BucketAddress(
            endpoint_url=settings.s3_endpoint_url,
            region=settings.s3_region,
            bucket=settings.s3_bucket,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key,
        )
        bucket = await resources.enter_async_context(open_bucket(address))
        yield Connections(
            nats=nats,
            log=JetStreamLog[GatewayEvent](nats),
            pool=pool,
            storage=Storage(bucket),
        )


def http_client(timeout: httpx.Timeout) -> httpx.AsyncClient:
    """Make a client for servers of others; to be closed. It follows no redirect."""
    limits = httpx.Limits(max_connections=500, max_keepalive_connections=50)
    return httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False)
