"""A stretch of the log as it is stored, events or not: what an archive keeps.

Caller: `errand archive`.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final, NamedTuple

from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.read import history
from infra.log.jetstream.read.follow import Scope, follow

_EVERYTHING: Final = "events.*.*"
_ANSWER_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 1.0


class RangeLimit(NamedTuple):
    """The most that is read at once; at least one message is."""

    messages: int
    size_bytes: int


class LogRange(NamedTuple):
    """Every message with `after` < sequence <= `up_to`. What is missing there was erased."""

    after: int
    up_to: int
    messages: Sequence[DeliveredMessage]


async def read_range(
    connection: Connection, name: str, *, after: int, most: RangeLimit
) -> LogRange:
    """Read what the log holds above a sequence, to its end of now or as much as `most` allows.

    Raises Unavailable when the connection ends for good, ApiError.
    """
    end = (await api.stream_info(connection)).state.last_seq
    last = await history.last_message(connection, _EVERYTHING, within_seconds=_ANSWER_SECONDS)
    if last is None or last.sequence <= after:
        return LogRange(after, max(after, end), [])
    scope = Scope(subject=_EVERYTHING, yields_when_idle=True)
    found: list[DeliveredMessage] = []
    size_bytes = 0
    deliveries = follow(
        connection,
        name,
        after=after,
        until=asyncio.Event(),
        heartbeat_seconds=_LOOK_SECONDS,
        scope=scope,
    )
    async with aclosing(deliveries) as batches:
        async for batch in batches:
            for delivered in batch:
                if delivered.sequence > end:
                    return LogRange(after, end, found)
                size_bytes += len(delivered.body)
                if found and (len(found) >= most.messages or size_bytes > most.size_bytes):
                    return LogRange(after, found[-1].sequence, found)
                found.append(delivered)
                if delivered.sequence >= last.sequence:
                    return LogRange(after, end, found)
    raise AssertionError("following ends only when it is asked to")
