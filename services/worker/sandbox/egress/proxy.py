"""The one way out of a sandbox: a forward proxy in the worker, one per attempt.

It speaks HTTP's CONNECT and plain HTTP with whoever connects to the listener it is given, and
connects only to hosts that the rules of the moment allow. TLS passes through it unread.
"""

import asyncio
import contextlib
import socket
from collections.abc import Collection
from http import HTTPStatus
from typing import Final, NoReturn, cast

import h11
import msgspec

from events import EgressDenied
from events.protocol.api.egress import EgressPhase, EgressRules, HostAndPort
from infra.runtime.telemetry import logger
from services.worker.sandbox.egress.connector import (
    AddressRefused,
    Connect,
    DirectConnector,
    Streams,
    Unreachable,
)
from services.worker.sandbox.egress.denials import DenialCounter, DenialReason
from services.worker.sandbox.egress.plain_http import (
    MAX_HEAD_BYTES,
    BrokenExchange,
    HttpSide,
    forward,
)
from services.worker.sandbox.egress.relay import relay
from services.worker.sandbox.egress.request import ProxyRequest, parse_request
from services.worker.sandbox.egress.rules import HostRules

_log = logger(__name__)

_GIBIBYTE: Final = 1024**3
_FLUSH_SECONDS: Final = 5.0


class EgressLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of what one attempt may ask of its proxy.

    `head_seconds`: time for the head of a request; `idle_seconds`: for a connection without a byte.
    """

    connections: int = 256
    total_bytes: int = 20 * _GIBIBYTE
    head_seconds: float = 20.0
    idle_seconds: float = 300.0


class _Refused(Exception):
    """A request that gets an answer of the proxy's own."""

    def __init__(self, status_code: int, text: str) -> None:
        super().__init__(text)
        self.status_code = status_code


class EgressProxy:
    """Connects the commands of a sandbox to the hosts that its rules allow."""

    def __init__(
        self,
        rules: EgressRules | None = None,
        *,
        registries: Collection[str] = (),
        connect: Connect | None = None,
        limits: EgressLimits | None = None,
    ) -> None:
        self._registries = registries
        self._rules = HostRules(rules or EgressRules(), registries)
        self._connect = connect or DirectConnector()
        self._limits = limits or EgressLimits()
        self._phase: EgressPhase = "agent"
        self._denials = DenialCounter()
        self._denied = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, HostAndPort | None] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self.moved_bytes = 0

    def set_rules(self, rules: EgressRules, *, phase: EgressPhase = "agent") -> None:
        """Decide by these from now on; connections that they do not allow are closed."""
        self._rules, self._phase = HostRules(rules, self._registries), phase
        for writer, target in self._open.items():
            if target is not None and not self.allows(target):
                writer.transport.abort()

    def allows(self, target: HostAndPort) -> bool:
        """Return whether the rules of the moment allow a connection."""
        return self._rules.allows(target)

    def record_denial(self, target: HostAndPort, reason: DenialReason) -> None:
        """Count a denial for the next report."""
        self._denials.add(target, reason, self._phase)
        self._denied.set()

    async def next_denials(self) -> list[EgressDenied]:
        """Wait until denials are due for a report, and return them, counted per host.

        A host is due at once, and then once per minute as long as it is denied.
        """
        clock = asyncio.get_running_loop().time
        while not (denials := self._denials.take(clock())):
            self._denied.clear()
            due = self._denials.next_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._denied.wait()
        return denials

    async def serve(self, listener: socket.socket) -> None:
        """Answer whoever connects to a listening socket, which is the proxy's own from now on."""
        self._server = await asyncio.start_server(self._answer, sock=listener)

    async def close(self) -> None:
        """Close every connection and the listener. May be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        answering = set(self._answering)
        for task in answering:
            task.cancel()
        if answering:
            await asyncio.wait(answering)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection. Its task is asyncio's own, so it is ended by `close`."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._answering.add(task)
        try:
            if len(self._answering) > 2 * self._limits.connections:
                return  # no head of theirs is even read
            with contextlib.suppress(asyncio.CancelledError):
                await self._answer_one((reader, writer))
        finally:
            self._answering.discard(task)
            writer.transport.abort()

    async def _answer_one(self, streams: Streams) -> None:
        client = HttpSide(streams, h11.SERVER)
        writer = streams[1]
        self._open[writer] = None
        try:
            await self._serve(client, streams)
        except _Refused as refusal:
            await self._say(client, refusal)
        except BrokenExchange as error:
            await self._say(client, _Refused(400, f"{error}"))
        finally:
            del self._open[writer]
        await _flushed(writer)

    async def _serve(self, client: HttpSide, streams: Streams) -> None:
        request, wanted = await self._read_head(client)
        if len(self._answering) > self._limits.connections:
            raise _Refused(503, f"At most {self._limits.connections} connections at once.")
        self._open[streams[1]] = wanted.target
        server = await self._connected(wanted.target)
        self._open[server[1]] = wanted.target
        try:
            if not self.allows(wanted.target):  # they changed while it connected
                self._deny(wanted.target, "rules")
            if wanted.path:
                await self._forward(client, request, wanted, server)
            else:
                await client.send(h11.Response(status_code=200, headers=[], reason=b"Connected"))
                early = client.http.trailing_data[0]
                self._count(len(early))
                server[1].write(early)
                idle_seconds = self._limits.idle_seconds
                await relay(streams, server, self._count, idle_seconds=idle_seconds)
            await _flushed(server[1])
        finally:
            del self._open[server[1]]
            server[1].transport.abort()

    async def _forward(
        self, client: HttpSide, request: h11.Request, wanted: ProxyRequest, server: Streams
    ) -> None:
        idle_seconds, clock = self._limits.idle_seconds, asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(idle_seconds) as idle:

                def count(size_bytes: int) -> bool:
                    idle.reschedule(clock() + idle_seconds)
                    return self._count(size_bytes)

                onward = HttpSide(server, h11.CLIENT)
                await forward(client, request, wanted, onward, count=count)
        except TimeoutError:
            raise BrokenExchange("The host was too slow.") from None

    async def _read_head(self, client: HttpSide) -> tuple[h11.Request, ProxyRequest]:
        try:
            async with asyncio.timeout(self._limits.head_seconds):
                request, size_bytes = await client.receive()
        except TimeoutError:
            raise _Refused(408, "The request did not come in time.") from None
        if not isinstance(request, h11.Request):
            raise BrokenExchange("There was no request.")
        if size_bytes - len(client.http.trailing_data[0]) > MAX_HEAD_BYTES:
            raise _Refused(431, f"The head of a request has at most {MAX_HEAD_BYTES} bytes.")
        try:
            return request, parse_request(request)
        except ValueError as error:
            raise _Refused(400, str(error)) from None

    async def _connected(self, target: HostAndPort) -> Streams:
        if not self.allows(target):
            self._deny(target, "rules")
        if self.moved_bytes >= self._limits.total_bytes:
            raise _Refused(403, "This task has moved as many bytes as it may.")
        try:
            return await self._connect(target)
        except AddressRefused as error:
            self._deny(target, "address", str(error))
        except Unreachable as error:
            raise _Refused(502, str(error)) from None

    def _deny(self, target: HostAndPort, reason: DenialReason, text: str = "") -> NoReturn:
        self.record_denial(target, reason)
        _log.info("egress.denied", host=target.host, port=target.port, reason=reason)
        raise _Refused(
            403,
            text
            or f"This task may not connect to {target} (egress: {self._rules.policy}). The person "
            "it works for was shown this, and can allow the host for the task.",
        )

    def _count(self, size_bytes: int) -> bool:
        self.moved_bytes += size_bytes
        return self.moved_bytes < self._limits.total_bytes

    async def _say(self, client: HttpSide, refusal: _Refused) -> None:
        """Send an answer of the proxy's own, where one can still be sent."""
        text = f"Errand: {refusal}\n".encode()
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(text))),
            ("Connection", "close"),
        ]
        with contextlib.suppress(BrokenExchange):
            status = HTTPStatus(refusal.status_code)
            reason = status.phrase.encode()
            await client.send(h11.Response(status_code=status, headers=headers, reason=reason))
            await client.send(h11.Data(data=text))
            await client.send(h11.EndOfMessage())


async def _flushed(writer: asyncio.StreamWriter) -> None:
    """Close a connection when what was written to it has left, or after a few seconds."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_FLUSH_SECONDS):
            await writer.wait_closed()
