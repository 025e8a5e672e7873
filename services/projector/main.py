"""Composition root: the only place where the projector's parts meet."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final, Never

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from infra.log.event_key_settings import make_event_keys
from infra.log.jetstream import JetStreamLog, connect, subscribe_live, wait_for_stream
from infra.runtime.lifecycle import collect_rarely, run_until_signalled
from infra.runtime.telemetry import serve_metrics
from services.projector.history.loop import HistoryLoop
from services.projector.live.loop import LiveLoop
from services.projector.settings import Settings

_NEEDED: Final = {"nats": "errand_log_available", "postgres": "errand_postgres_available"}


async def main(settings: Settings) -> None:
    """Run until signalled to stop. What is opened last is closed first."""
    collect_rarely()
    async with AsyncExitStack() as resources:
        serve_metrics(settings.metrics_port, needed=_NEEDED)
        # The loops try again themselves, at once: the client's own retries wait up to ten seconds.
        client = redis.Redis.from_url(
            settings.redis_url, socket_timeout=5, retry=Retry(NoBackoff(), 0)
        )
        resources.push_async_callback(client.aclose)
        nats = await resources.enter_async_context(
            connect(
                settings.nats_url,
                credentials=settings.nats_credentials,
                name="projector",
                keys=make_event_keys(settings.event_keys, settings.events_unsigned_up_to),
                within_seconds=None,
            )
        )
        await wait_for_stream(nats)
        log = JetStreamLog[Never](nats)  # the projector writes no events
        live = LiveLoop(log, client)
        history = HistoryLoop(log, settings.postgres_url)

        async def relay(stopping: asyncio.Event) -> None:
            await live.relay(
                subscribe_live(nats, "live.>", until=stopping),
                is_standby=lambda: history.is_standby,
            )

        await run_until_signalled(
            history.run, live.run, relay, grace_seconds=settings.grace_seconds
        )
