"""Everything in the log from a sequence on, once and in order, whatever breaks meanwhile."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

from infra.log.event_log import Unavailable
from infra.log.jetstream.admin.streams import STREAM
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.log.jetstream.connection.connection import ApiError, Connection
from infra.log.jetstream.connection.waiting import Signal, wait_for_either
from infra.log.jetstream.read.pulls import BatchPulls
from infra.runtime.telemetry import logger

_ASKED: Final = 1000
_AT_ONCE: Final = 200
_HEARTBEAT_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.25
_IDLE_SECONDS: Final = 60
_NANOSECONDS: Final = 1_000_000_000

_log = logger(__name__)


class Scope(NamedTuple):
    """Which messages: of which subject (wildcards allowed; empty: all), and stored since when.

    With `tells_when_idle` an empty batch is yielded each time nothing more has come yet.
    """

    subject: str = ""
    since: datetime | None = None
    tells_when_idle: bool = False


EVERYTHING: Final = Scope()


class _Passage:
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
        """Say why nothing more may be taken from this consumer; empty while it may."""
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
            begin = _beginning(scope, last, is_first=last == after)
            async with _passage(connection, name, begin, heartbeat_seconds) as passage:
                while not until.is_set():
                    stirred = passage.signal.next
                    await passage.top_up()
                    if batch := passage.next_batch():
                        last = batch[-1].sequence
                        yield batch
                        await asyncio.sleep(0)
                    elif reason := passage.why_broken():
                        break
                    else:
                        if scope.tells_when_idle:
                            yield []
                        await wait_for_either(stirred, until, seconds=heartbeat_seconds)
        except Unavailable as error:
            reason = str(error)
        if reason:
            connection.require_open()
            _log.warning("following anew", follower=name, after=last, reason=reason)
            await wait_for_either(asyncio.Event(), until, seconds=_RETRY_SECONDS)


@asynccontextmanager
async def _passage(
    connection: Connection, name: str, begin: Mapping[str, Any], heartbeat_seconds: float
) -> AsyncIterator[_Passage]:
    """Make a consumer that begins as `begin` says and listen to it."""
    consumer = f"{name}-{connection.client.new_inbox().rsplit('.', 1)[-1]}"
    passage = _Passage(connection, consumer, heartbeat_seconds)
    with connection.on_reconnect(passage.signal.give):
        await passage.pulls.open()
        try:
            await _create(connection, consumer, begin)
            yield passage
        finally:
            await passage.pulls.close()


def _beginning(scope: Scope, last: int, *, is_first: bool) -> dict[str, Any]:
    """Say what a consumer delivers: above a sequence, or from the first message stored since."""
    wanted = {"filter_subjects": [scope.subject]} if scope.subject else {}
    if scope.since is not None and is_first:
        return wanted | {"deliver_policy": "by_start_time", "opt_start_time": scope.since}
    return wanted | {"deliver_policy": "by_start_sequence", "opt_start_seq": last + 1}


async def _create(connection: Connection, consumer: str, begin: Mapping[str, Any]) -> None:
    config = {
        "name": consumer,
        **begin,
        "ack_policy": "none",
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": _IDLE_SECONDS * _NANOSECONDS,
    }
    question = {"stream_name": STREAM, "config": config, "action": "create"}
    try:
        await connection.ask(f"CONSUMER.CREATE.{STREAM}.{consumer}", question)
    except ApiError as refusal:
        if not refusal.is_transient:
            raise
        raise Unavailable(str(refusal)) from refusal
