"""Limits of connections: how many, from where, and how slowly a client may say what it wants.

uvicorn's protocols with what they lack: a time limit for a request's head and for a client that
takes no answer, a size limit for the head, and a count of connections by address and in all. Bodies
have their limits in `answers`, hellos of the stream in `stream.endpoint`. RFC 6585 for 429 and 431.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import ClassVar, Final

import msgspec
from prometheus_client import Counter as Metric
from uvicorn.middleware.proxy_headers import _TrustedHosts
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from events.protocol.problem import MEDIA_TYPE
from services.gateway.http.asgi import Application, Receive, Scope, Send
from services.gateway.problems import problem
from services.gateway.stores.callers import client_network

MAX_HEAD_BYTES: Final = 64 * 1024
_REFUSED_SECONDS: Final = 1.0
_RETRY_AFTER_SECONDS: Final = 5

_refusals = Metric("errand_gateway_connections_refused", "Connections refused.", ["reason"])


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of what one client may use. A number of 0 means no limit.

    `trusted_proxies` open as many connections as they like; those behind them are counted by the
    address that the proxy names, while a request or a stream of theirs is open.
    """

    connections: int = 0
    connections_per_address: int = 0
    head_seconds: float = 10.0
    write_seconds: float = 60.0
    trusted_proxies: str = ""


class ConnectionCounter:
    """Counts what is open by address and in all."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: dict[object, str] = {}
        self._by_address: Counter[str] = Counter()
        self._proxies = _TrustedHosts(limits.trusted_proxies)

    def enter(self, connection: object, host: str) -> int:
        """Count a connection; return 0, or the status with which it is refused: 429 or 503."""
        if connection in self._open:
            return 0
        limits = self.limits
        address = "" if host in self._proxies else client_network(host)
        if limits.connections and len(self._open) >= limits.connections:
            return 503
        most = limits.connections_per_address
        if address and most and self._by_address[address] >= most:
            return 429
        self._open[connection] = address
        self._by_address[address] += 1
        return 0

    def leave(self, connection: object) -> None:
        """Forget a connection that has ended."""
        address = self._open.pop(connection, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol within limits. `counter` is set by `protocols`."""

    counter: ClassVar[ConnectionCounter]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for a request's head for some seconds only."""
        super().connection_made(transport)
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_refused = False
        self._refusal = self.counter.enter(transport, self.client[0] if self.client else "")
        limits = self.counter.limits
        self._wait_for_head(_REFUSED_SECONDS if self._refusal else limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting it."""
        self._stop_waiting()
        self.resume_writing()
        self.counter.leave(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the connection is refused or its head is too long."""
        if self._is_refused or self.transport.is_closing():
            return
        if self._refusal:
            self._refuse(self._refusal)
            return
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        is_idle = cycle is None or cycle.response_complete
        if is_idle and self._timer is None:
            self._head_bytes = 0
            self._wait_for_head(self.counter.limits.head_seconds)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._timer is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        """Stop waiting: the head is here."""
        self._stop_waiting()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Cut a client that takes nothing of its answer for too long."""
        super().pause_writing()
        if self._write_timer is None:
            seconds = self.counter.limits.write_seconds
            self._write_timer = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client takes its answer again."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _wait_for_head(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._is_too_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_too_late(self) -> None:
        self._timer = None
        if self._head_bytes and not self._refusal:
            self._refuse(408)
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Answer with a problem and close.

        What still comes is read and dropped for a moment: closed at once, with bytes unread, the
        answer would be lost on its way (RFC 9112 §9.6).
        """
        self._stop_waiting()
        if not self.transport.is_closing():
            _refusals.labels(str(status)).inc()
            self._is_refused = True
            self.transport.write(_spelled(status))
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self._timer = self.loop.call_later(_REFUSED_SECONDS, self.transport.close)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol: it takes over a connection that is counted already."""

    counter: ClassVar[ConnectionCounter]

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting it."""
        self.counter.leave(self.transport)
        super().connection_lost(exc)


def protocols(limits: ConnectionLimits) -> tuple[type[HttpProtocol], type[WebSocketProtocol]]:
    """Make the protocols of one server, which count together."""
    own = {"counter": ConnectionCounter(limits)}
    return (
        type("LimitedHttpProtocol", (HttpProtocol,), own),
        type("LimitedWebSocketProtocol", (WebSocketProtocol,), own),
    )


class AddressLimit:
    """Middleware that counts what is open by the address a trusted proxy names. Raw ASGI 3."""

    def __init__(self, application: Application, limits: ConnectionLimits) -> None:
        self._application = application
        self._counter = ConnectionCounter(msgspec.structs.replace(limits, trusted_proxies=""))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or stream, or refuse it."""
        client = scope.get("client")
        one = object()
        status = self._counter.enter(one, client[0] if client else "")
        if status:
            _refusals.labels(str(status)).inc()
            await _refuse(scope, receive, send, status)
            return
        try:
            await self._application(scope, receive, send)
        finally:
            self._counter.leave(one)


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1013, "reason": "Try again later."})
            return
        kind = "websocket.http.response"
    headers = [(b"connection", b"close"), *_headers(status)]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": _body(status)})


_SAID: Final = {
    408: ("request_too_slow", "The head of the request did not arrive in time."),
    429: ("too_many_connections", "Too many connections are open from your address."),
    431: ("head_too_large", f"The head of a request may have {MAX_HEAD_BYTES // 1024} KiB."),
    503: ("too_many_connections", "Too many connections are open. Try again in a moment."),
}
_REASONS: Final = {
    408: b"Request Timeout",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    503: b"ServedApplication Unavailable",
}
_RETRYABLE: Final[Collection[int]] = (429, 503)


def _body(status: int) -> bytes:
    code, detail = _SAID[status]
    return msgspec.json.encode(problem(status, code, detail, retryable=status in _RETRYABLE))


def _headers(status: int) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(_body(status))).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status in _RETRYABLE:
        headers.append((b"retry-after", str(_RETRY_AFTER_SECONDS).encode()))
    return headers


def _spelled(status: int) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (status, _REASONS[status]), b"connection: close"]
    lines += [b"%s: %s" % pair for pair in _headers(status)]
    return b"\r\n".join([*lines, b"", _body(status)])
