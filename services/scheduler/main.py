"""Composition root: the only place where the scheduler's parts meet."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager

import httpx
from prometheus_client import REGISTRY

from events import Draft, Head, History, SchedulerEvent
from infra.log.event_key_settings import make_event_keys
from infra.log.event_log import Refused, Unavailable
from infra.log.jetstream import (
    Connection,
    JetStreamLog,
    connect,
    create_reader,
    delete_reader,
    recreate_reader,
    subscribe_live,
    wait_for_stream,
)
from infra.log.jetstream.connection.api import ApiError
from infra.runtime.clock import DraftFactory, utc_now
from infra.runtime.lifecycle import run_until_signalled
from infra.runtime.telemetry import serve_metrics
from services.scheduler.effects import Effects
from services.scheduler.machines.client import Machines
from services.scheduler.machines.rate_limiter import Limits
from services.scheduler.metrics import Metrics
from services.scheduler.reactor import Reactor
from services.scheduler.settings import Settings

_BEATS = "beat.>"


async def main(settings: Settings) -> None:
    """Run until signalled to stop. What is opened last is closed first."""
    policy = settings.policy()
    serve_metrics(settings.metrics_port, needed={"nats": "errand_log_available"})
    async with AsyncExitStack() as resources:
        nats = await resources.enter_async_context(
            connect(
                settings.nats_url,
                credentials=settings.nats_credentials,
                name="scheduler",
                keys=make_event_keys(settings.event_keys, settings.events_unsigned_up_to),
                within_seconds=None,
            )
        )
        last_sequence = await wait_for_stream(nats)
        http = await resources.enter_async_context(_http(settings))
        log = PatientLog(nats)
        machines = Machines(http, settings.fly_app, Limits(utc_now))
        effects = Effects(machines, JetStreamReaders(nats), settings.worker_config(), utc_now)
        reactor = Reactor(
            log,
            effects,
            DraftFactory(utc_now),
            policy,
            limits=settings.history_limits(),
            caught_up_at=last_sequence,
        )
        log.on_invalid(reactor.note_invalid)
        reactor.on_fact(Metrics(REGISTRY, lambda: reactor.fleet).count)

        async def react(stopping: asyncio.Event) -> None:
            await reactor.run(subscribe_live(nats, _BEATS, until=stopping), stopping)

        await run_until_signalled(react, grace_seconds=settings.grace_seconds)


class JetStreamReaders:
    """The workers' readers, as consumers on JetStream."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create_reader(self, history: History, attempt: int) -> str:
        """Make an attempt's reader and return its name."""
        with _named():
            return await create_reader(self._connection, history, attempt)

    async def recreate_reader(self, history: History, attempt: int) -> str:
        """Make the reader again, from the first event."""
        with _named():
            return await recreate_reader(self._connection, history, attempt)

    async def delete_reader(self, history: History, attempt: int) -> None:
        """Remove the reader."""
        with _named():
            await delete_reader(self._connection, history, attempt)


class PatientLog(JetStreamLog[SchedulerEvent]):
    """The log; one full history must not stop the scheduler for all others."""

    async def append(
        self, history: History, drafts: Sequence[Draft[SchedulerEvent]], *, after: Head
    ) -> Head:
        """Append as JetStreamLog does, but raise Unavailable instead of Refused."""
        with _named():
            return await super().append(history, drafts, after=after)


@contextmanager
def _named() -> Iterator[None]:
    """Turn JetStream's refusals, which concern one task, into what makes it wait: Unavailable."""
    try:
        yield
    except (ApiError, Refused) as refusal:
        raise Unavailable(str(refusal)) from refusal


def _http(settings: Settings) -> httpx.AsyncClient:
    """Make the client: as many connections as there are machines to wait for."""
    scheme = "" if settings.fly_api_token.startswith("FlyV1 ") else "Bearer "
    return httpx.AsyncClient(
        base_url=settings.fly_api_base_url,
        headers={"Authorization": scheme + settings.fly_api_token},
        limits=httpx.Limits(max_connections=None),
        trust_env=False,
    )
