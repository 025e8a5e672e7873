"""The cache of environments, as a set-up uses it. What fails here is a miss, never a failure."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from infra.runtime.telemetry import logger
from services.worker.effects.environment.cache_client import CacheClient, CacheUnavailable
from services.worker.effects.environment.packing import (
    PackingFailed,
    clear_added,
    pack_added,
    unpack,
)
from services.worker.effects.environment.ports import ByteStream
from services.worker.workspace.environment.choice import ChosenEnvironment

_UNCACHED: Final = frozenset({"none"})
"""Sandboxes whose paths differ from task to task: what was installed there fits no other."""

_log = logger(__name__)


class EnvironmentCache(Protocol):
    """Keeps what set-ups added."""

    @property
    def is_possible(self) -> bool:
        """True when this sandbox's set-ups can be restored in another."""
        ...

    async def restore(self, chosen: ChosenEnvironment, key: str) -> bool:
        """Put back what the set-up of the same key added; False when there is no such pack.

        Without a key it is only noted what was found.
        """
        ...

    async def store(self, key: str, paths: Sequence[str]) -> None:
        """Keep what set-up added, or these paths of it, under a key."""
        ...


class BrokerCache:
    """The cache behind the broker, for a sandbox; packs pass through `scratch`."""

    def __init__(
        self, client: CacheClient, sandbox: ByteStream, *, kind: str, scratch: Path
    ) -> None:
        self._client = client
        self._sandbox = sandbox
        self._scratch = scratch
        self.is_possible = kind not in _UNCACHED

    async def restore(self, chosen: ChosenEnvironment, key: str) -> bool:
        """Put back what the set-up of the same key added; False when that cannot be had."""
        try:
            parts = await self._client.look_up(chosen, key)
            if not parts:
                return False
            with tempfile.TemporaryDirectory(prefix="pack-", dir=self._scratch) as directory:
                file = Path(directory) / "pack"
                await self._client.fetch(key, parts, file)
                await self._unpack(file)
        except (CacheUnavailable, PackingFailed) as error:
            _log.warning("environment.not_restored", error=str(error))
            return False
        return True

    async def store(self, key: str, paths: Sequence[str]) -> None:
        """Keep what set-up added; what cannot be kept is set up again by the next task."""
        if not key:
            return
        try:
            with tempfile.TemporaryDirectory(prefix="pack-", dir=self._scratch) as directory:
                file = Path(directory) / "pack"
                await pack_added(self._sandbox, paths, file)
                size_bytes = await asyncio.to_thread(lambda: file.stat().st_size)
                await self._client.store(key, file)
        except (CacheUnavailable, PackingFailed) as error:
            _log.warning("environment.not_stored", error=str(error))
        else:
            _log.info("environment.stored", key=key, size_bytes=size_bytes)

    async def _unpack(self, file: Path) -> None:
        """Unpack whole or not at all. Raises PackingFailed."""
        try:
            await unpack(self._sandbox, file)
        except PackingFailed:
            await clear_added(self._sandbox)
            raise
