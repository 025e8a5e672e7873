"""The stream (docs/protocol.md) as a client must speak it: resume by version, apply no gap."""

import asyncio
from collections.abc import AsyncIterator
from random import uniform
from typing import NamedTuple

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from clients.cli.gateway import Gateway, SignedOut
from clients.cli.trouble import Trouble
from events import AccountId, History, Recorded, TaskId, codec

_SUBPROTOCOL = Subprotocol("errand.v1+json")
_LONGEST_PAUSE_SECONDS = 5.0
_FIRST_TERMINAL_CODE = 4500
_REVOKED = 4504
_FRAME_BYTES = 8 * 1024 * 1024
_PAGE_EVENTS = 500


class LiveItem(NamedTuple):
    """Something passing: a piece of the model's text, or of a tool's running output."""

    kind: str
    block: str
    offset: int
    text: str


class CaughtUp(NamedTuple):
    """Everything up to this version has been yielded; what follows is news."""

    version: int


class _Item(msgspec.Struct):
    t: str = ""
    task: str = ""
    version: int = 0
    kind: str = ""
    block: str = ""
    offset: int = 0
    text: str = ""
    head: int = 0
    reason: str = ""
    versions: dict[str, int] = {}


_frames: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_items = msgspec.json.Decoder(_Item)
_encode = msgspec.json.Encoder().encode


class _Again(Exception):
    """Subscribe anew from the last version: something is missing in between."""


class TaskStream:
    """Yields one task's events, dense and in order, over as many connections as it takes."""

    def __init__(self, gateway: Gateway, task: str, *, device: str, after: int = 0) -> None:
        self._gateway = gateway
        self._task = task
        self._device = device
        self._version = after

    @property
    def version(self) -> int:
        """The last version yielded."""
        return self._version

    async def items(self) -> AsyncIterator[Recorded | LiveItem | CaughtUp]:
        """Yield for ever; a lost connection is taken up again. Raises Trouble when that is vain."""
        failures = 0
        while True:
            try:
                async with await self._open() as connection:
                    async for item in self._listen(connection):
                        failures = 0
                        yield item
            except ConnectionClosed as end:
                code = end.rcvd.code if end.rcvd else 0
                if code == _REVOKED:
                    raise SignedOut("The gateway has ended this session.") from None
                if code >= _FIRST_TERMINAL_CODE:
                    reason = end.rcvd.reason if end.rcvd else ""
                    raise Trouble(f"The gateway ended the stream: {reason} ({code})") from None
            except _Again:
                continue
            except (OSError, InvalidHandshake, TimeoutError):
                pass  # away for a moment: the pause below, then from where we were
            failures += 1
            await asyncio.sleep(uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.2 * 2**failures)))  # noqa: S311

    async def _open(self) -> ClientConnection:
        url = self._gateway.url.replace("http", "ws", 1) + "/v1/stream"
        connection = await connect(
            url,
            subprotocols=[_SUBPROTOCOL],
            compression=None,
            max_size=_FRAME_BYTES,
        )
        hello = {
            "t": "hello",
            "v": 1,
            "token": self._gateway.token,
            "device": {"id": self._device, "name": "errand", "platform": "cli"},
            "subs": [{"task": self._task, "version": self._version}],
        }
        await connection.send(_encode(hello).decode())
        return connection

    async def _listen(
        self, connection: ClientConnection
    ) -> AsyncIterator[Recorded | LiveItem | CaughtUp]:
        async for frame in connection:
            for raw in _frames.decode(frame):
                item = _items.decode(raw)
                match item.t:
                    case "":
                        recorded = self._take(bytes(raw), item.version)
                        if recorded is not None:
                            yield recorded
                    case "eph":
                        yield LiveItem(item.kind, item.block, item.offset, item.text)
                    case "live":
                        yield CaughtUp(item.version)
                    case "ping":
                        await connection.send('{"t":"pong"}')
                    case "head" if item.versions.get(self._task, 0) > self._version:
                        raise _Again
                    case "behind":
                        async for recorded in self._bulk(item.head):
                            yield recorded
                        raise _Again
                    case "reset":
                        self._reset(item)
                    case _:
                        continue  # a newer server may say more than this client knows

    def _take(self, body: bytes, version: int) -> Recorded | None:
        if version <= self._version:
            return None
        if version > self._version + 1:
            raise _Again
        self._version = version
        return codec.decode(History(AccountId(""), TaskId(self._task)), 0, body)

    async def _bulk(self, head: int) -> AsyncIterator[Recorded]:
        while self._version < head:
            page = await self._gateway.get(
                f"/v1/tasks/{self._task}/events", after=self._version, limit=_PAGE_EVENTS
            )
            for event in page["data"]:
                recorded = self._take(_encode(event), event["version"])
                if recorded is not None:
                    yield recorded

    def _reset(self, item: _Item) -> None:
        if item.reason == "not_found":
            raise Trouble(f"There is no task {self._task} in your account.", "`errand list` tells.")
        if item.reason == "position_lost":
            self._version = 0
        raise _Again
