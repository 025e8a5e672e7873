"""Heartbeats: how the scheduler knows that a worker lives, and that it needs a fresh reader."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec

from events import MachineId

EVERY_SECONDS: Final = 5.0
_ASKING_SECONDS: Final = 1.0


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One heartbeat: who, how far it has read, and which of its readers it needs (1, 2, 3 …)."""

    attempt: int
    machine: MachineId
    version: int
    reader: int


class Beats:
    """Says a beat every five seconds; at once and every second while a reader is asked for."""

    def __init__(
        self,
        say: Callable[[bytes], Awaitable[None]],
        look: Callable[[], Beat],
        is_asking: Callable[[], bool],
    ) -> None:
        self._say = say
        self._look = look
        self._is_asking = is_asking
        self._stirred = asyncio.Event()

    def ask(self, _reader: int) -> None:
        """Say the next beat now."""
        self._stirred.set()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._stirred.clear()
            await self._say(msgspec.json.encode(self._look()))
            seconds = _ASKING_SECONDS if self._is_asking() else EVERY_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stirred.wait()
