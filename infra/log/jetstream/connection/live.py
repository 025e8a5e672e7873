"""Messages that are not kept: heartbeats, token deltas, running output. Core NATS, no storage.

Callers: the worker publishes; the scheduler receives heartbeats, the projector receives live
items. None of it is a fact: what is published while the connection is down, or faster than it is
received, is lost.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from nats.aio.msg import Msg

from events import History, history_of
from infra.log.event_log import Unavailable
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.connection.waiting import Signal, wait_for_either
from infra.runtime.telemetry import logger

_KEPT: Final = 10_000

_log = logger(__name__)


async def publish_live(connection: Connection, subject: str, payload: bytes) -> None:
    """Publish to those who listen now. Lost, without an error, while the connection is down."""
    if not connection.is_connected:
        return
    try:
        await connection.publish(subject, payload)
    except Unavailable as reason:
        _log.info("live.lost", subject=subject, reason=str(reason))


async def subscribe_live(
    connection: Connection, subject: str, *, until: asyncio.Event | None = None, keep: int = _KEPT
) -> AsyncIterator[tuple[History, bytes]]:
    """Yield what is said on `subject` (`beat.>`, `live.>`), whose history and the payload.

    At most `keep` messages wait for a slow reader; beyond, the oldest are dropped. Goes on after
    reconnects, ends when `until` is set. Raises Unavailable when the connection ends for good.
    """
    waiting: deque[tuple[History, bytes]] = deque(maxlen=keep)
    signal = Signal()

    async def take(message: Msg) -> None:
        try:
            waiting.append((history_of(message.subject), message.data))
        except ValueError as error:
            _log.warning("live.strange", subject=message.subject, error=str(error))
        signal.give()

    until = until or asyncio.Event()
    with connection.on_reconnect(signal.give):
        subscription = await connection.client.subscribe(subject, cb=take)
        try:
            while not until.is_set():
                signalled = signal.next
                if waiting:
                    yield waiting.popleft()
                else:
                    connection.require_open()
                    await wait_for_either(signalled, until)
        finally:
            if not connection.is_closed:
                await subscription.unsubscribe()
