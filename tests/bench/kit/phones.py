"""Many phones in one process, each a bare WebSocket: `python -m tests.bench.kit.phones`.

A benchmark's clients must cost little beside what they measure, so nothing of a WebSocket library
stands between the socket and the count. The client's rule is docs/reference/protocol.md's: the next
version is the last plus one; anything else is counted as lost or repeated. An event whose text is
`@<ns>` tells when it was appended, on the clock that all processes of a machine share.

Standard input: an Order as a line of JSON, then words, one per line: `leave` (all go), `again` (all
come back with their cursors), `tell`. Standard output: a line of JSON for each, and one when all
are live.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import msgspec
import uvloop

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3: any 16 bytes
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_MAX_SECONDS = 120


class PhoneSpec(msgspec.Struct):
    """One phone, and the task it watches from a version on; without a task it only listens.

    It connects from `address`, one of this machine's own.
    """

    token: str
    device: str
    task: str = ""
    version: int = 0
    address: str = "127.0.0.1"


class Order(msgspec.Struct):
    """The phones to connect: where, and how many at the same time."""

    host: str
    port: int
    path: str
    phones: list[PhoneSpec]
    at_once: int = 200


class Deliveries(msgspec.Struct, omit_defaults=True):
    """The deliveries seen so far by a process's phones, in milliseconds from append to socket."""

    events: int = 0
    lost: int = 0
    repeated: int = 0
    seconds: float = 0.0
    closed: int = 0
    versions: int = 0
    milliseconds: list[float] = []


class _Item(msgspec.Struct):
    t: str = ""
    version: int = 0
    text: str = ""


_items = msgspec.json.Decoder(list[_Item])


class Phone(asyncio.Protocol):
    """One device."""

    def __init__(self, spec: PhoneSpec, told: Deliveries) -> None:
        self.spec = spec
        self.told = told
        self._begin()

    def _begin(self) -> None:
        self._unread = b""
        self._is_open = False
        self._transport: asyncio.Transport | None = None
        self.live = asyncio.get_running_loop().create_future()

    async def connect(self, order: Order) -> None:
        """Connect, say hello, and return when all that stands in the log is here."""
        self._begin()
        loop = asyncio.get_running_loop()
        await loop.create_connection(
            lambda: self, order.host, order.port, local_addr=(self.spec.address, 0)
        )
        assert self._transport is not None
        self._transport.write(
            f"GET {order.path} HTTP/1.1\r\nHost: {order.host}:{order.port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Protocol: errand.v1+json\r\n\r\n".encode()
        )
        async with asyncio.timeout(_MAX_SECONDS):
            await self.live

    def leave(self) -> None:
        """Go without a word, as a phone in a tunnel does."""
        if self._transport is not None:
            transport, self._transport = self._transport, None
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's own class

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._transport is not None:
            self._transport = None
            self.told.closed += 1
        if not self.live.done():
            self.live.set_exception(ConnectionError("the gateway closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self._is_open:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(head.decode(errors="replace"))
            self._is_open, self._unread = True, rest
            self._hello()
        self._read_frames()

    def _hello(self) -> None:
        spec = self.spec
        subs = [{"task": spec.task, "version": spec.version}] if spec.task else []
        self._say(
            {"t": "hello", "v": 1, "token": spec.token, "device": {"id": spec.device}, "subs": subs}
        )

    def _read_frames(self) -> None:
        unread, place = self._unread, 0
        while len(unread) - place >= 2:
            size, begin = unread[place + 1], place + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                size = int.from_bytes(unread[begin : begin + width], "big")
                begin += width
            if len(unread) < begin + size:
                break
            self._take(unread[place] & 15, unread[begin : begin + size])
            place = begin + size
        self._unread = unread[place:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _TEXT:
            for item in _items.decode(payload):
                self._item(item)
        elif opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _CLOSE:
            sys.stderr.write(f"closed: {payload[2:].decode(errors='replace')}\n")

    def _item(self, item: _Item) -> None:
        if not item.t:
            self._event(item)
        elif (item.t == "live" and not self.live.done()) or (
            item.t == "welcome" and not self.spec.task
        ):
            self.live.set_result(None)
        elif item.t == "ping":
            self._say({"t": "pong"})

    def _event(self, item: _Item) -> None:
        spec, told = self.spec, self.told
        if item.version <= spec.version:
            told.repeated += 1
            return
        told.lost += item.version - spec.version - 1
        told.events += 1
        spec.version = item.version
        if item.text.startswith("@"):
            told.milliseconds.append((time.monotonic_ns() - int(item.text[1:21])) / 1e6)

    def _say(self, said: object) -> None:
        self._send(_TEXT, msgspec.json.encode(said))

    def _send(self, opcode: int, payload: bytes) -> None:
        """Write a masked frame (RFC 6455 §5.2); the mask of zeros leaves the bytes as they are."""
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else bytes([254, size >> 8, size & 255])
        if self._transport is not None:
            self._transport.write(bytes([128 | opcode]) + length + bytes(4) + payload)


async def _connect_all(phones: list[Phone], order: Order) -> float:
    """Connect them, so many at once; return how long it took, in seconds."""
    began = time.perf_counter()
    turn = asyncio.Semaphore(order.at_once)

    async def one(phone: Phone) -> None:
        async with turn:
            await phone.connect(order)

    async with asyncio.TaskGroup() as group:
        for phone in phones:
            group.create_task(one(phone))
    return time.perf_counter() - began


async def _lines() -> AsyncIterator[bytes]:
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async for line in reader:
        yield line


async def main() -> None:
    lines = _lines()
    order = msgspec.json.decode(await anext(lines), type=Order)
    told = Deliveries()
    phones = [Phone(spec, told) for spec in order.phones]

    def tell() -> None:
        told.versions = sum(phone.spec.version for phone in phones)
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        sys.stdout.flush()

    told.seconds = await _connect_all(phones, order)
    tell()
    async for line in lines:
        match line.strip():
            case b"leave":
                for phone in phones:
                    phone.leave()
            case b"again":
                told.seconds = await _connect_all(phones, order)
        tell()


if __name__ == "__main__":
    uvloop.run(main())
