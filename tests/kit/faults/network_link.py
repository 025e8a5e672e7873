"""A wire to a server that can be cut, made deaf or a black hole, and led to another server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Wire:
    """TCP to a port of this machine. While `is_deaf`, what the server says is lost.

    While `is_black_hole`, all that is sent either way is; the connections stay open all the same.
    """

    def __init__(self) -> None:
        self.port = 0
        self.url = ""
        self.is_deaf = False
        self.is_black_hole = False
        self.connections = 0
        self._ends: set[asyncio.StreamWriter] = set()

    def lead_to(self, url: str) -> None:
        self.port = int(url.rpartition(":")[2])

    def cut(self) -> None:
        """Both ends see a connection lost, at once."""
        for end in self._ends:
            end.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        self._ends |= {writer, there_writer}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, there_writer, is_answer=False))
            group.create_task(self._pump(there_reader, writer, is_answer=True))
        self._ends -= {writer, there_writer}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        try:
            while content := await reader.read(65536):
                if not (self.is_black_hole or (is_answer and self.is_deaf)):
                    writer.write(content)
                    await writer.drain()
        except OSError:
            writer.transport.abort()
        else:
            writer.close()


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    made = Wire()
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    async with server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made
        server.close()
        made.cut()
