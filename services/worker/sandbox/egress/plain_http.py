"""One plain HTTP request, sent on to its host with h11, and the response sent back."""

import asyncio
from typing import Final

import h11

from services.worker.sandbox.egress.connector import Streams
from services.worker.sandbox.egress.relay import CountBytes
from services.worker.sandbox.egress.request import ProxyRequest, forwarded_headers

_CHUNK_BYTES: Final = 64 * 1024
MAX_HEAD_BYTES: Final = 32 * 1024


class BrokenExchange(Exception):
    """The request or its response ended early, or is no HTTP; the text is for people."""


class HttpSide:
    """One side of the proxy: a connection and h11's view of it."""

    def __init__(self, streams: Streams, role: type[h11.CLIENT | h11.SERVER]) -> None:
        self._reader, self._writer = streams
        self.http = h11.Connection(role, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def receive(self) -> tuple[h11.Event | type[h11.PAUSED | h11.NEED_DATA], int]:
        """Return the next event and the number of bytes read for it. Raises BrokenExchange."""
        size_bytes = 0
        try:
            while (event := self.http.next_event()) is h11.NEED_DATA:
                chunk = await self._reader.read(_CHUNK_BYTES)
                size_bytes += len(chunk)
                self.http.receive_data(chunk)
        except (h11.RemoteProtocolError, ConnectionError) as error:
            raise BrokenExchange(str(error)) from None
        if isinstance(event, h11.ConnectionClosed):
            raise BrokenExchange("The connection was closed early.")
        return event, size_bytes

    async def send(self, event: h11.Event) -> None:
        """Send an event, waiting while the other end is slow. Raises BrokenExchange."""
        try:
            self._writer.write(self.http.send(event) or b"")
            await self._writer.drain()
        except (h11.LocalProtocolError, ConnectionError) as error:
            raise BrokenExchange(str(error)) from None


async def forward(
    client: HttpSide,
    request: h11.Request,
    wanted: ProxyRequest,
    server: HttpSide,
    *,
    count: CountBytes,
) -> None:
    """Send a request whose head was read already, and its response back.

    A host that answers before it has read the whole body is listened to.
    """
    host = str(wanted.target).removesuffix(":80").encode()
    headers = [
        (b"Host", host),
        *forwarded_headers(list(request.headers)),
        (b"Connection", b"close"),
    ]
    head = h11.Request(method=request.method, target=wanted.path.encode(), headers=headers)
    await server.send(head)
    failure: BrokenExchange | None = None  # raised after the group: see tests/architecture
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(_send_body(client, server, count))
        try:
            await _send_response(server, client, count)
        except BrokenExchange as error:
            failure = error
        sending.cancel()
    if failure is not None:
        raise failure


async def _send_body(client: HttpSide, server: HttpSide, count: CountBytes) -> None:
    try:
        if client.http.they_are_waiting_for_100_continue:
            await client.send(h11.InformationalResponse(status_code=100, headers=[]))
        while True:
            event, size_bytes = await client.receive()
            if not count(size_bytes) or not isinstance(event, h11.Data | h11.EndOfMessage):
                return
            await server.send(_untrailed(event))
            if isinstance(event, h11.EndOfMessage):
                return
    except BrokenExchange:
        return  # its response, or the lack of one, says it


async def _send_response(server: HttpSide, client: HttpSide, count: CountBytes) -> None:
    while True:
        event, size_bytes = await server.receive()
        if not count(size_bytes):
            raise BrokenExchange("This task has moved as many bytes as it may.")
        match event:
            case h11.Response():
                headers = [*forwarded_headers(list(event.headers)), (b"Connection", b"close")]
                await client.send(h11.Response(status_code=event.status_code, headers=headers))
            case h11.Data():
                await client.send(event)
            case h11.EndOfMessage():
                await client.send(_untrailed(event))
                return
            case _:
                continue  # such as 103 Early Hints


def _untrailed(event: h11.Event) -> h11.Event:
    return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event
