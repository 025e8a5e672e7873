"""A small HTTP/2 server: whole requests in, whole answers out, or a connection cut instead."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final, NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

_READ_BYTES: Final = 64 * 1024
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Request(NamedTuple):
    """A request. Header names are lower-case; `origin` is scheme and authority."""

    method: str
    path: str
    origin: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """An answer. Bodies are short: they fit into any client's first window."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = _NO_HEADERS


Application = Callable[[Request], Awaitable[Answer | None]]
"""Answers a request; None cuts the connection without an answer."""


class _Talk:
    """One connection."""

    def __init__(self, application: Application, writer: asyncio.StreamWriter) -> None:
        self._application = application
        self._writer = writer
        self._http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._headers: dict[int, dict[str, str]] = {}
        self._bodies: dict[int, bytearray] = {}

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Answer until either side has enough."""
        self._http2.initiate_connection()
        self._flush()
        async with asyncio.TaskGroup() as group:
            try:
                while content := await reader.read(_READ_BYTES):
                    for event in self._http2.receive_data(content):
                        if (stream := self._take(event)) is not None:
                            group.create_task(self._answer(stream))
                    self._flush()
            except (ConnectionError, ProtocolError, ssl.SSLError):
                self.cut()

    def cut(self) -> None:
        """End the connection without a word."""
        self._writer.transport.abort()

    def _take(self, event: Event) -> int | None:
        """Take a piece of a request in; return its stream when that was the last."""
        match event:
            case RequestReceived(stream_id=int(stream)):
                self._headers[stream] = {str(name): str(value) for name, value in event.headers}
                self._bodies[stream] = bytearray()
            case DataReceived(stream_id=int(stream)):
                self._bodies[stream] += event.data
                self._http2.acknowledge_received_data(event.flow_controlled_length, stream)
            case StreamEnded(stream_id=int(stream)):
                return stream
            case _:  # settings, windows, pings: h2 has answered them
                pass
        return None

    async def _answer(self, stream: int) -> None:
        headers, body = self._headers.pop(stream), bytes(self._bodies.pop(stream))
        origin = f"{headers[':scheme']}://{headers[':authority']}"
        plain = {name: value for name, value in headers.items() if not name.startswith(":")}
        request = Request(headers[":method"], headers[":path"], origin, plain, body)
        answer = await self._application(request)
        if answer is None:
            return self.cut()
        try:
            lines = [(":status", str(answer.status)), *answer.headers.items()]
            self._http2.send_headers(stream, lines, end_stream=not answer.body)
            if answer.body:
                self._http2.send_data(stream, answer.body, end_stream=True)
        except ProtocolError:  # the client left
            return self.cut()
        return self._flush()

    def _flush(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(self._http2.data_to_send())


@asynccontextmanager
async def serving(application: Application, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve on a free port of the loopback address until the block is left; hands out the port."""
    talks: set[_Talk] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = _Talk(application, writer)
        talks.add(talk)
        try:
            await talk.run(reader)
        finally:
            talks.discard(talk)
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        while talks:
            for talk in list(talks):
                talk.cut()
            await asyncio.sleep(0)
        await server.wait_closed()
