"""A server that answers webhooks as its test says, and remembers what came."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec


class Delivery(NamedTuple):
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The stored event, in either mode of CloudEvents."""
        content: dict[str, Any] = msgspec.json.decode(self.body)
        return content["data"] if "specversion" in content else content


class Receiver:
    """`answers` are statuses given in order, then 204 for ever; a status may carry headers.

    0 says nothing: the delivery is taken, and its sender waits.
    """

    def __init__(self) -> None:
        self.url = ""
        self.deliveries: list[Delivery] = []
        self.answers: list[tuple[int, dict[str, str]]] = []

    @property
    def versions(self) -> list[int]:
        return [delivery.event["version"] for delivery in self.deliveries]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = (line.partition(": ") for line in head[1:] if line)
                headers = {name.lower(): value for name, _, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                self.deliveries.append(Delivery(headers, body))
                status, more = self.answers.pop(0) if self.answers else (204, {})
                if status == 0:
                    await reader.read()
                    break
                lines = "".join(f"{name}: {value}\r\n" for name, value in more.items())
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{lines}\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the sender is done
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    async with server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        yield receiver
