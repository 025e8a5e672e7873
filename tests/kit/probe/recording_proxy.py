"""A passage to an HTTP server that notes each request that goes through it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_REQUEST = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.1\r\n", re.MULTILINE)


class Passage:
    """`requests` are "METHOD /path", as they came."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.url = ""
        self.requests: list[str] = []

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, there_writer, is_request=True))
            group.create_task(self._pump(there_reader, writer, is_request=False))

    async def _pump(self, reader, writer, *, is_request: bool) -> None:
        while content := await reader.read(65536):
            if is_request:
                found = _REQUEST.findall(content)
                self.requests += [f"{m.decode()} {p.decode()}" for m, p in found]
            writer.write(content)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def passage(url: str) -> AsyncIterator[Passage]:
    place = urlsplit(url)
    made = Passage(str(place.hostname), int(place.port or 80))
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    async with server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made
