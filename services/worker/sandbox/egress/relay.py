"""Bytes between two connections, both ways, within limits of time and of bytes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from services.worker.sandbox.egress.connector import Streams

_CHUNK_BYTES: Final = 64 * 1024

CountBytes = Callable[[int], bool]
"""Counts bytes that moved; False when no more may."""


async def relay(
    client: Streams, server: Streams, count: CountBytes, *, idle_seconds: float
) -> None:
    """Hand bytes on until both sides have ended, none moved for so long, or no more may move."""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(idle_seconds) as idle, asyncio.TaskGroup() as group:
            clock = asyncio.get_running_loop().time

            def moved(size_bytes: int) -> None:
                idle.reschedule(clock() + (idle_seconds if count(size_bytes) else 0.0))

            group.create_task(_pump(client[0], server[1], moved))
            group.create_task(_pump(server[0], client[1], moved))


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, moved: Callable[[int], None]
) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK_BYTES):
            moved(len(chunk))
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError, RuntimeError):  # the other side has gone already
        writer.write_eof()
