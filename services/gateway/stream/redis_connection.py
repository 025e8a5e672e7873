"""Reader of Redis channels: one connection for the whole process, parsed by hiredis.

Redis delivers at most once and drops what a slow or absent reader misses. So every confirmation of
a subscription may mean a gap: the reader reports it (`on_gap`), and the hub reads the log.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol, cast
from urllib.parse import SplitResult, unquote, urlsplit

import hiredis

from infra.runtime.telemetry import logger

_RETRY_SECONDS = 0.25
_PING_SECONDS = 10.0
_CONFIRM_SECONDS = 2.0
_CONNECT_SECONDS = 5.0
_DEFAULT_PORT = 6379
_log = logger(__name__)


class Listener(Protocol):
    """Receiver of the channels' messages."""

    def on_message(self, channel: str, payload: bytes) -> None:
        """Receive a message."""
        ...

    def on_gap(self, channel: str) -> None:
        """Note that messages may have been missed: a subscription was confirmed (again)."""
        ...


class _Wire(asyncio.Protocol):
    """Bytes in, replies out. Calls back synchronously, in the order Redis sent."""

    def __init__(self, on_reply: Callable[[object], None]) -> None:
        self._on_reply = on_reply
        self._reader = hiredis.Reader()
        self._transport: asyncio.WriteTransport | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._on_reply(reply)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self.closed.set()

    def send(self, *command: str) -> None:
        if self._transport is not None:
            packed = hiredis.pack_command(command)  # type: ignore[arg-type] # the stub means any length
            self._transport.write(packed)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class RedisReader:
    """Subscribes to channels, again after each reconnect."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._listener: Listener | None = None
        self._channels: dict[str, asyncio.Event] = {}
        self._wire: _Wire | None = None
        self._ponged = True

    @property
    def is_connected(self) -> bool:
        """True while connected."""
        return self._wire is not None

    async def run(self, listener: Listener, stopping: asyncio.Event) -> None:
        """Keep the connection up, and notify the listener, until stopped."""
        self._listener = listener
        is_reported = False
        while not stopping.is_set():
            try:
                await self._serve(stopping)
                is_reported = False
            except (OSError, hiredis.HiredisError) as error:
                if not is_reported:
                    _log.warning("redis.connection_lost", error=repr(error))
                is_reported = True
            self._wire = None
            for confirmed in self._channels.values():
                confirmed.clear()
            await _wait(stopping, _RETRY_SECONDS)

    async def subscribe(self, channel: str) -> None:
        """Listen to a channel; return when Redis has confirmed it, or is away for now."""
        confirmed = self._channels.setdefault(channel, asyncio.Event())
        if self._wire is not None and not confirmed.is_set():
            self._wire.send("SUBSCRIBE", channel)
            await _wait(confirmed, _CONFIRM_SECONDS)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        if self._channels.pop(channel, None) is not None and self._wire is not None:
            self._wire.send("UNSUBSCRIBE", channel)

    async def _serve(self, stopping: asyncio.Event) -> None:
        wire = await self._open()
        try:
            self._login(wire)
            self._wire = wire
            if self._channels:
                wire.send("SUBSCRIBE", *self._channels)
            while not stopping.is_set() and not wire.closed.is_set():
                self._ponged = False
                wire.send("PING")
                async with asyncio.TaskGroup() as group:
                    waits = {group.create_task(e.wait()) for e in (stopping, wire.closed)}
                    await asyncio.wait(
                        waits, timeout=_PING_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    for wait in waits:
                        wait.cancel()
                if not self._ponged and not wire.closed.is_set() and not stopping.is_set():
                    raise TimeoutError("redis did not answer a ping")
        finally:
            wire.abort()

    def _login(self, wire: _Wire) -> None:
        if self._url.password:
            user = unquote(self._url.username or "default")
            wire.send("AUTH", user, unquote(self._url.password))

    async def _open(self) -> _Wire:
        loop = asyncio.get_running_loop()
        wire = _Wire(self._on_reply)
        async with asyncio.timeout(_CONNECT_SECONDS):
            if self._url.scheme == "unix":
                await loop.create_unix_connection(lambda: wire, self._url.path)
            else:
                host, port = _address(self._url)
                secured = ssl.create_default_context() if self._url.scheme == "rediss" else None
                await loop.create_connection(lambda: wire, host, port, ssl=secured)
        return wire

    def _on_reply(self, reply: object) -> None:
        assert self._listener is not None  # noqa: S101 - `run` opened the wire
        match reply:
            case [b"message", bytes(channel), bytes(payload)]:
                self._listener.on_message(channel.decode(), payload)
            case [b"subscribe", bytes(channel), _]:
                name = channel.decode()
                if name in self._channels:
                    self._channels[name].set()
                    self._listener.on_gap(name)
            case [b"pong", *_] | b"PONG" | "PONG":
                self._ponged = True
            case hiredis.HiredisError() as error:
                _log.error("redis.command_refused", error=repr(error))
            case _:
                return


def _address(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "127.0.0.1", url.port or _DEFAULT_PORT


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
