"""Heartbeats: they show the scheduler that a worker lives, or needs a fresh reader."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec

from events.protocol.heartbeat import HEARTBEAT_SECONDS, Heartbeat

_READER_REQUEST_SECONDS: Final = 1.0


class HeartbeatSender:
    """Sends a heartbeat every five seconds; at once and each second while a reader is wanted."""

    def __init__(
        self,
        say: Callable[[bytes], Awaitable[None]],
        look: Callable[[], Heartbeat],
        is_asking: Callable[[], bool],
    ) -> None:
        self._say = say
        self._look = look
        self._is_asking = is_asking
        self._requested = asyncio.Event()

    def ask(self, _reader: int) -> None:
        """Send the next heartbeat now."""
        self._requested.set()

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        while True:
            self._requested.clear()
            await self._say(msgspec.json.encode(self._look()))
            seconds = _READER_REQUEST_SECONDS if self._is_asking() else HEARTBEAT_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._requested.wait()
