"""Everything in the log from a sequence on, once and in order, whatever breaks meanwhile."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import UNSET

from infra.log.event_log import Unavailable
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import NANOSECONDS, ApiError, ConsumerConfig
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.connection.waiting import Signal, wait_for_either
from infra.log.jetstream.read.pulls import BatchPulls
from infra.runtime.telemetry import logger

_ASKED: Final = 1000
_AT_ONCE: Final = 200
_HEARTBEAT_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.25
_IDLE_SECONDS: Final = 60

_log = logger(__name__)


class Scope(NamedTuple):
    """The messages to follow: their subject (wildcards allowed; empty: all), and stored since when.

    With `yields_when_idle` an empty batch is yielded each time nothing more has come yet.
    """

    subject: str = ""
    since: datetime | None = None
    yields_when_idle: bool = False


EVERYTHING: Final = Scope()


class _Consumer:
    """One consumer's worth of following: good until its deliveries can no longer be trusted."""

    def __init__(self, connection: Connection, consumer: str, heartbeat_seconds: float) -> None:
        self._connection = connection
        self._reconnects = connection.reconnects
        self._position = 0
        self._held: deque[DeliveredMessage] = deque()
        self._has_gap = False
        self.signal = Signal()
        self.pulls = BatchPulls(
            connection,
            consumer,
            take=self._take,
            notice=self.signal.give,
            batch=_ASKED,
            heartbeat_seconds=heartbeat_seconds,
        )

    def why_broken(self) -> str:
        """Return why nothing more may be read from this consumer; empty while it may."""
        reached = self.pulls.consumer_position
        if self._has_gap or (reached is not None and reached > self._position):
            return "a delivery is missing"
        if self.pulls.is_over:
            return "the consumer is gone"
        if self._connection.reconnects != self._reconnects or self._connection.is_closed:
            return "the connection broke"
        return "two heartbeats are missing" if self.pulls.is_silent else ""

    def next_batch(self) -> list[DeliveredMessage]:
        """Take what has come, in order and without a gap; not so much that others wait long."""
        return [self._held.popleft() for _ in range(min(_AT_ONCE, len(self._held)))]

    async def top_up(self) -> None:
        """Ask for more, as far as what is held leaves room."""
        if self._connection.is_connected:
            await self.pulls.top_up(held=len(self._held))

    def _take(self, deliveries: Sequence[DeliveredMessage]) -> None:
        for delivered in deliveries:
            if delivered.position != self._position + 1 or self._has_gap:
                self._has_gap = True
                return
            self._position = delivered.position
            self._held.append(delivered)


async def follow(
    connection: Connection,
    name: str,
    *,
    after: int,
    until: asyncio.Event,
    heartbeat_seconds: float = _HEARTBEAT_SECONDS,
    scope: Scope = EVERYTHING,
) -> AsyncGenerator[list[DeliveredMessage], None]:
    """Yield all messages whose sequence is above `after`, in batches of up to 200.

    At most 2,000 are held, of 16 MiB at most; after each batch all others have their turn. Raises
    Unavailable when the connection ends for good, ApiError when the log refuses to be read.
    """
    last = after
    while not until.is_set():
        reason = ""
        try:
            begin = _Beginning(scope, last, is_first=last == after)
            async with _consumer(connection, name, begin, heartbeat_seconds) as consumer:
                while not until.is_set():
                    signalled = consumer.signal.next
                    await consumer.top_up()
                    if batch := consumer.next_batch():
                        last = batch[-1].sequence
                        yield batch
                        await asyncio.sleep(0)
                    elif reason := consumer.why_broken():
                        break
                    else:
                        if scope.yields_when_idle:
                            yield []
                        await wait_for_either(signalled, until, seconds=heartbeat_seconds)
        except Unavailable as error:
            reason = str(error)
        if reason:
            connection.require_open()
            _log.warning("follow.restarted", follower=name, after=last, reason=reason)
            await wait_for_either(asyncio.Event(), until, seconds=_RETRY_SECONDS)


@asynccontextmanager
async def _consumer(
    connection: Connection, name: str, begin: "_Beginning", heartbeat_seconds: float
) -> AsyncIterator[_Consumer]:
    """Create a consumer that begins at `begin`, and listen to it."""
    full_name = f"{name}-{connection.client.new_inbox().rsplit('.', 1)[-1]}"
    consumer = _Consumer(connection, full_name, heartbeat_seconds)
    with connection.on_reconnect(consumer.signal.give):
        await consumer.pulls.open()
        try:
            await _create(connection, begin.config(full_name))
            yield consumer
        finally:
            await consumer.pulls.close()


class _Beginning(NamedTuple):
    """First message of a consumer: above a sequence, or the first one stored since a time."""

    scope: Scope
    after: int
    is_first: bool

    def config(self, name: str) -> ConsumerConfig:
        """Return the configuration of the consumer `name`."""
        by_time = self.scope.since if self.is_first else None
        return ConsumerConfig(
            name=name,
            filter_subjects=[self.scope.subject] if self.scope.subject else UNSET,
            deliver_policy="by_start_sequence" if by_time is None else "by_start_time",
            opt_start_seq=self.after + 1 if by_time is None else UNSET,
            opt_start_time=UNSET if by_time is None else by_time,
            inactive_threshold=_IDLE_SECONDS * NANOSECONDS,
        )


async def _create(connection: Connection, config: ConsumerConfig) -> None:
    try:
        await api.create_consumer(connection, config, is_new=True)
    except ApiError as refusal:
        if not refusal.is_transient:
            raise
        raise Unavailable(str(refusal)) from refusal
