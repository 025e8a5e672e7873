"""The stream (docs/protocol.md) as a client must speak it: resume by version, apply no gap."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from random import uniform
from typing import NamedTuple

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from clients.cli.gateway import Gateway, SignedOut, Unreachable
from clients.cli.trouble import Trouble
from events import AccountId, History, Recorded, TaskId, codec

_SUBPROTOCOL = Subprotocol("errand.v1+json")
_LONGEST_PAUSE_SECONDS = 5.0
_MOST_DOUBLINGS = 5
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


Shown = Recorded | LiveItem | CaughtUp


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


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]


_frames: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_items = msgspec.json.Decoder(_Item)
_pages = msgspec.json.Decoder(_Page)
_encode = msgspec.json.Encoder().encode


class _Again(Exception):
    """Begin anew from the last version: nothing more is to be had here."""


class TaskStream:
    """Yields one task's events, dense and in order, over as many connections as it takes."""

    def __init__(self, gateway: Gateway, task: str, *, device: str, after: int = 0) -> None:
        self._gateway = gateway
        self._task = task
        self._device = device
        self._version = after
        self._is_asking_again = False

    @property
    def version(self) -> int:
        """The last version yielded."""
        return self._version

    async def items(self) -> AsyncGenerator[Shown, None]:
        """Yield for ever; a lost connection is taken up again. Raises Trouble when that is vain."""
        failures = 0
        while True:
            try:
                async with self._opened() as connection:
                    async for item in self._listen(connection):
                        failures = 0
                        yield item
            except ConnectionClosed as end:
                _raise_if_vain(end)
            except (_Again, Unreachable, OSError, InvalidHandshake):
                pass  # away for a moment: the pause below, then from where we were
            except msgspec.DecodeError as error:
                raise Trouble(
                    f"The gateway says what this `errand` does not understand: {error}",
                    "Is one of the two much older than the other?",
                ) from None
            failures = min(failures + 1, _MOST_DOUBLINGS)
            await asyncio.sleep(uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.1 * 2**failures)))  # noqa: S311

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[ClientConnection]:
        self._is_asking_again = False
        url = self._gateway.url.replace("http", "ws", 1) + "/v1/stream"
        hello = {
            "t": "hello",
            "v": 1,
            "token": await self._gateway.fresh_token(),
            "device": {"id": self._device, "name": "errand", "platform": "cli"},
            "subs": [{"task": self._task, "version": self._version}],
        }
        async with connect(
            url,
            subprotocols=[_SUBPROTOCOL],
            compression=None,
            max_size=_FRAME_BYTES,
        ) as connection:
            await connection.send(_encode(hello).decode())
            yield connection

    async def _listen(self, connection: ClientConnection) -> AsyncIterator[Shown]:
        async for frame in connection:
            for raw in _frames.decode(frame):
                item = _items.decode(raw)
                match item.t:
                    case "" if item.version > self._version + 1:
                        await self._ask_again(connection)
                    case "":
                        for recorded in self._take(bytes(raw), item.version):
                            yield recorded
                    case "eph":
                        yield LiveItem(item.kind, item.block, item.offset, item.text)
                    case "live" if item.version == self._version:
                        self._is_asking_again = False
                        yield CaughtUp(item.version)
                    case "ping":
                        await connection.send('{"t":"pong"}')
                    case "head" if item.versions.get(self._task, 0) > self._version:
                        raise _Again
                    case "behind":
                        async for recorded in self._bulk(item.head):
                            yield recorded
                        self._is_asking_again = False
                        await self._ask_again(connection)
                    case "reset":
                        self._reset(item)
                    case _:
                        continue  # a newer server may say more than this client knows

    async def _ask_again(self, connection: ClientConnection) -> None:
        """Subscribe from the last version, once: what is still on its way is dropped meanwhile."""
        if not self._is_asking_again:
            self._is_asking_again = True
            sub = {"t": "sub", "task": self._task, "version": self._version}
            await connection.send(_encode(sub).decode())

    def _take(self, body: bytes, version: int) -> list[Recorded]:
        """Take the next event: one, or none when it is known already or of an unknown type."""
        if version <= self._version:
            return []
        self._version = version
        self._is_asking_again = False
        try:
            return [codec.decode(History(AccountId(""), TaskId(self._task)), 0, body)]
        except msgspec.ValidationError:
            return []  # a newer server: this client cannot show it

    async def _bulk(self, head: int) -> AsyncIterator[Recorded]:
        while self._version < head:
            before = self._version
            content = await self._gateway.content(
                f"/v1/tasks/{self._task}/events", after=before, limit=_PAGE_EVENTS
            )
            for raw in _pages.decode(content).data:
                version = _items.decode(raw).version
                if version > self._version + 1:
                    raise _Again
                for recorded in self._take(bytes(raw), version):
                    yield recorded
            if self._version == before:
                raise _Again

    def _reset(self, item: _Item) -> None:
        if item.reason == "not_found":
            raise Trouble(f"There is no task {self._task} in your account.", "`errand list` tells.")
        if item.reason == "position_lost":
            self._version = 0
        raise _Again


def _raise_if_vain(end: ConnectionClosed) -> None:
    code, reason = (end.rcvd.code, end.rcvd.reason) if end.rcvd else (0, "")
    if code == _REVOKED:
        raise SignedOut("The gateway has ended this session.", "Pair this machine again.") from None
    if code >= _FIRST_TERMINAL_CODE:
        raise Trouble(f"The gateway ended the stream: {reason} ({code})") from None
