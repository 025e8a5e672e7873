"""A command run as a child process of the worker, in a process group of its own."""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from services.worker.sandbox.backend import STDERR, STDOUT

_HELD_BYTES: Final = 4 * 1024 * 1024
_LINGER_SECONDS: Final = 0.5  # for output after the end; a child that escaped may hold the pipe


class _ProcessProtocol(asyncio.SubprocessProtocol):
    """Collects both pipes into one queue, and stops reading while too much is held."""

    def __init__(self) -> None:
        self.pieces: deque[tuple[int, bytes]] = deque()
        self.held_bytes = 0
        self.news = asyncio.Event()
        self.ended = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.is_closed = False
        self._is_reading = True
        self._open_pipes: set[int] = set()
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Casts, not checks, here and below: uvloop's transports do not derive from asyncio's.
        process = self._transport = cast("asyncio.SubprocessTransport", transport)
        self._open_pipes = {fd for fd in (STDOUT, STDERR) if process.get_pipe_transport(fd)}

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        content = data if isinstance(data, bytes) else data.encode()
        self.pieces.append((fd, content))
        self.held_bytes += len(content)
        self.news.set()
        if self.held_bytes > _HELD_BYTES:
            self._set_reading(is_wanted=False)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc
        self._open_pipes.discard(fd)
        if fd == 0:
            self.writable.set()
        if not self._open_pipes:
            self._close()

    def process_exited(self) -> None:
        self.ended.set()
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._close)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def take(self) -> tuple[int, bytes] | None:
        """Return the oldest piece held, if any."""
        if not self.pieces:
            return None
        piece = self.pieces.popleft()
        self.held_bytes -= len(piece[1])
        if self.held_bytes <= _HELD_BYTES // 2:
            self._set_reading(is_wanted=True)
        return piece

    def _close(self) -> None:
        self.is_closed = True
        self.news.set()

    def _set_reading(self, *, is_wanted: bool) -> None:
        if is_wanted == self._is_reading:
            return
        self._is_reading = is_wanted
        for fd in self._open_pipes:
            found = self._transport.get_pipe_transport(fd) if self._transport else None
            if found is not None and not found.is_closing():
                pipe = cast("asyncio.ReadTransport", found)
                (pipe.resume_reading if is_wanted else pipe.pause_reading)()


class ChildProcess:
    """A RunningCommand: one child process and what it says."""

    def __init__(self, transport: asyncio.SubprocessTransport, wire: _ProcessProtocol) -> None:
        self._transport = transport
        self._wire = wire

    @property
    def is_ended(self) -> bool:
        """Return whether it has ended."""
        return self._wire.ended.is_set()

    @property
    def process_id(self) -> int:
        """The number by which the kernel knows it."""
        return self._transport.get_pid()

    def end_now(self) -> None:
        """Send its whole process group the signal that nothing survives; does not wait."""
        if not self._wire.ended.is_set():
            with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
                os.killpg(self._transport.get_pid(), signal.SIGKILL)

    async def send(self, content: bytes) -> None:
        """Write to its input, waiting while it is slow to read."""
        pipe = self._input()
        if pipe is not None:
            pipe.write(content)
            await self._wire.writable.wait()

    async def end_input(self) -> None:
        """Close its input."""
        pipe = self._input()
        if pipe is not None:
            pipe.close()

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next piece of output; None when there is no more."""
        while True:
            piece = self._wire.take()
            if piece is not None:
                return piece
            if self._wire.is_closed:
                return None
            self._wire.news.clear()
            await self._wire.news.wait()

    async def exit_code(self) -> int:
        """Wait for its end; 128 + n when signal n ended it."""
        await self._wire.ended.wait()
        code = self._transport.get_returncode() or 0
        return code if code >= 0 else 128 - code

    async def kill(self) -> None:
        """End its whole process group, and wait until it is gone."""
        self.end_now()
        await self._wire.ended.wait()
        self._transport.close()

    async def close(self) -> None:
        """Release it after its end."""
        await self.kill()

    def _input(self) -> asyncio.WriteTransport | None:
        pipe = self._transport.get_pipe_transport(0)
        if pipe is None or pipe.is_closing():
            return None
        return cast("asyncio.WriteTransport", pipe)


async def start_process(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path | None = None,
    is_split: bool = False,
) -> ChildProcess:
    """Start a child process in a session of its own. Raises OSError when it cannot start."""
    transport, wire = await asyncio.get_running_loop().subprocess_exec(
        _ProcessProtocol,
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if is_split else asyncio.subprocess.STDOUT,
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
    )
    return ChildProcess(transport, wire)
