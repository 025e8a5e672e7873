"""Reception of a push: its commands are checked, its pack goes to a file of bounded size."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from infra.runtime.tree_removal import temporary_directory
from services.gateway.broker.git.protocol.push_request import (
    Commands,
    PushRefused,
    check_commands,
    read_commands,
)
from services.gateway.broker.git.push_inspection import ReceivedPush

MAX_PACK_BYTES: Final = 320 * 1024 * 1024

_PIECE_BYTES: Final = 256 * 1024


class PackTooLarge(Exception):
    """The pack exceeds the size limit, which the text states."""


class PushReception:
    """A push being received. Its files are removed when the block is left."""

    def __init__(
        self, headers: Mapping[str, str], body: AsyncIterator[bytes], *, branch: str
    ) -> None:
        self._headers = headers
        self._body = body
        self._branch = branch
        self._resources = ExitStack()
        self._commands = b""
        self._pack: Path | None = None
        self.ref = f"refs/heads/{branch}"
        self.capabilities: frozenset[str] = frozenset()
        self.size_bytes = 0
        self.is_whole = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._resources.close)

    async def receive(self) -> ReceivedPush | None:
        """Receive the push. None when it has no commands: git probes whether it may push.

        Raises PushRefused, PackTooLarge.
        """
        if self._headers.get("content-encoding", "identity") != "identity":
            raise PushRefused("a compressed push is not taken")
        start, commands = await self._read_commands()
        check_commands(commands, branch=self._branch)
        self._commands, rest = start[: commands.size_bytes], start[commands.size_bytes :]
        self.capabilities = commands.capabilities
        if not commands.updates:
            await self._require_end(rest)
            return None
        directory = self._resources.enter_context(temporary_directory("push-"))
        repository = directory / "repository.git"
        self._pack = repository / "objects" / "pack" / "pack-received.pack"
        self._pack.parent.mkdir(parents=True)
        with self._pack.open("wb") as file:
            await self._keep(rest, file)
        self.is_whole = True
        return ReceivedPush(commands.updates[0], self._pack, repository)

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the request's bytes unchanged."""
        yield self._commands
        if self._pack is not None:
            with self._pack.open("rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                    yield piece

    async def _read_commands(self) -> tuple[bytes, Commands]:
        start = b""
        async for chunk in self._body:
            start += chunk
            commands = read_commands(start)
            if commands.is_complete:
                return start, commands
        raise PushRefused("the push ended before its commands did")

    async def _require_end(self, rest: bytes) -> None:
        async for chunk in self._body:
            rest += chunk
            if rest:
                break
        if rest:
            raise PushRefused("a push without commands has no pack")
        self.size_bytes = len(self._commands)

    async def _keep(self, first: bytes, file: BinaryIO) -> None:
        size = len(first)
        await asyncio.to_thread(file.write, first)
        async for chunk in self._body:
            size += len(chunk)
            if size > MAX_PACK_BYTES:
                raise PackTooLarge(
                    f"the pack is larger than {MAX_PACK_BYTES // 1024**2} MiB. Take large files "
                    "out of the work"
                )
            await asyncio.to_thread(file.write, chunk)
        self.size_bytes = len(self._commands) + size
