"""An egress proxy in tests, whose hosts are a server of this process.

The product refuses every private address, so names resolve to a public one, and what dials it
ends at the server.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Final

from events.protocol.api.egress import EgressRules
from services.worker.sandbox.egress.connector import Address, DirectConnector, Streams
from services.worker.sandbox.egress.proxy import EgressLimits, EgressProxy

PUBLIC: Final = "192.0.2.7"


class Mirror:
    """An HTTP server that answers with the head of the request as it came."""

    def __init__(self) -> None:
        self.connections = 0
        self.dialled: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()


class Echo(Mirror):
    """A server that sends back what it receives."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def listening(server: Mirror) -> AsyncIterator[int]:
    """Yield the port of a server on loopback."""
    serving = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    async with serving:
        yield serving.sockets[0].getsockname()[1]


@asynccontextmanager
async def proxy_to(
    server: Mirror,
    rules: EgressRules,
    names: Mapping[str, Sequence[str]],
    *,
    limits: EgressLimits | None = None,
) -> AsyncIterator[EgressProxy]:
    """Yield a proxy to whom only these names have addresses; each public one is the server's."""
    async with listening(server) as port:

        async def resolve(host: str, _: int) -> list[Address]:
            return [ip_address(each) for each in names.get(host, ())]

        async def dial(address: Address, _: int) -> Streams:
            server.dialled.append(str(address))
            return await asyncio.open_connection("127.0.0.1", port)

        yield EgressProxy(rules, connect=DirectConnector(resolve, dial), limits=limits)


@asynccontextmanager
async def running_proxy(
    rules: EgressRules,
    names: Mapping[str, Sequence[str]],
    *,
    limits: EgressLimits | None = None,
    server: Mirror | None = None,
) -> AsyncIterator[tuple[EgressProxy, int, Mirror]]:
    """Yield a proxy that listens on loopback, its port, and the server behind it."""
    server = server or Mirror()
    async with proxy_to(server, rules, names, limits=limits) as proxy:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        await proxy.serve(listener)
        try:
            yield proxy, port, server
        finally:
            await proxy.close()
