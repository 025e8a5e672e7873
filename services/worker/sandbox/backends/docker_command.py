"""One `exec` of a container, and the connection it came with."""

import asyncio
from typing import Final, Protocol

_HEADER_BYTES: Final = 8  # stream, three zeros, length: Engine API, "Stream format"
_SILENCE_SECONDS: Final = 0.3
_SILENCES_AFTER_THE_END: Final = 2  # output may lag behind the engine's word that it ended
_POLL_SECONDS: Final = 0.02


class Container(Protocol):
    """The container that a command runs in."""

    async def clear(self) -> None:
        """End every process in the container."""
        ...

    async def ending_of(self, call: str) -> int | None:
        """Return an exec's exit code, or None while it runs."""
        ...


class ContainerCommand:
    """A RunningCommand: one `exec` of the container and its connection."""

    def __init__(
        self,
        backend: Container,
        call: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._backend = backend
        self._call = call
        self._reader = reader
        self._writer = writer
        self._code: int | None = None
        self._is_over = False

    @property
    def is_ended(self) -> bool:
        """Return whether it is known to have ended: its end was read, or all output came."""
        return self._code is not None or self._is_over or self._reader.at_eof()

    async def send(self, content: bytes) -> None:
        """Write to its input, waiting while it is slow to read."""
        try:
            self._writer.write(content)
            await self._writer.drain()
        except ConnectionError:
            return  # it reads no more; its output and exit code tell why

    async def end_input(self) -> None:
        """Close its input."""
        try:
            self._writer.write_eof()
        except OSError:
            return  # the connection is closed already

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next piece of output; None at its end.

        A process left in the background may hold the stream open: then some silence after the
        command's own end, which is looked up in every silence, is the end of its output.
        """
        silences = 0
        while not self._is_over:
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    header = await self._reader.readexactly(_HEADER_BYTES)
            except (asyncio.IncompleteReadError, ConnectionError):
                self._is_over = True
            except TimeoutError:
                silences = silences + 1 if await self._ending() is not None else 0
                self._is_over = silences > _SILENCES_AFTER_THE_END
            else:
                return await self._body(header)
        return None

    async def _body(self, header: bytes) -> tuple[int, bytes] | None:
        """Read what a header announced, however long it takes to come."""
        try:
            return header[0], await self._reader.readexactly(int.from_bytes(header[4:], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._is_over = True
            return None

    async def exit_code(self) -> int:
        """Wait for its end."""
        while (code := await self._ending()) is None:  # noqa: ASYNC110 - the engine tells nobody
            await asyncio.sleep(_POLL_SECONDS)
        return code

    async def kill(self) -> None:
        """End it and all else in the container: nothing less finds what it left behind."""
        try:
            await self._backend.clear()
        finally:
            await self.close()

    async def close(self) -> None:
        """Release it; what it put in the background lives on until something is killed."""
        self._is_over = True
        self._writer.transport.abort()
        await asyncio.sleep(0)  # the connection is closed in the loop's next round

    async def _ending(self) -> int | None:
        if self._code is None:
            self._code = await self._backend.ending_of(self._call)
        return self._code
