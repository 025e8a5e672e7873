"""Answers while a process waits for its servers: readiness names them, all else is 503."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from events.protocol.api.server import Health
from events.protocol.broker import GATEWAY_STARTING
from events.protocol.problem import MEDIA_TYPE, Problem
from services.gateway.http.asgi import Application, Receive, Scope, Send
from services.gateway.problems import problem
from services.gateway.stores.server_report import OK

PARTS: Final = ("nats", "postgres")
_RETRY_AFTER_SECONDS: Final = b"2"
_TRY_AGAIN: Final = 1013  # Try Again Later, of IANA's registry of close codes
DENIAL: Final = "websocket.http.response"
"""ASGI's extension that refuses a WebSocket with an HTTP answer: without it, that is always 403."""


class Startup:
    """ASGI application that hands over to another as soon as that is there. Raw ASGI 3.

    `name` is the name that people see: the gateway, or the broker.
    """

    def __init__(self, name: str = "gateway") -> None:
        self._name = name
        self._parts = dict.fromkeys(PARTS, "not reached yet")
        self._application: Application | None = None
        self._limit: asyncio.Timeout | None = None

    def report(self, part: str, reason: str) -> None:
        """Note what is waited for at a server, `ok` for nothing."""
        self._parts[part] = reason

    def hand_over(self, application: Application) -> None:
        """Serve this application from now on."""
        self._application = application

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[None]:
        """Give up what is opened inside when `give_up` is called, without an error."""
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limit = limit
                try:
                    yield
                finally:
                    self._limit = None
        except TimeoutError:
            if not limit.expired():
                raise

    def give_up(self) -> None:
        """End `opening`, if it goes on."""
        if self._limit is not None:
            self._limit.reschedule(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._application is not None:
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer("http.response", scope["path"], send)
        else:
            await receive()
            if DENIAL in (scope.get("extensions") or {}):
                await self._answer(DENIAL, scope["path"], send)
            else:
                reason = self._trouble()
                await send({"type": "websocket.close", "code": _TRY_AGAIN, "reason": reason})

    async def _answer(self, prefix: str, path: str, send: Send) -> None:
        kind, status = b"application/json", 503
        body: Health | Problem
        if path == "/health/live":
            body, status = Health("ok", {}), 200
        elif path == "/health/ready":
            body = Health("unavailable", dict(self._parts))
        else:
            kind = MEDIA_TYPE.encode()
            body = problem(status, GATEWAY_STARTING, self._trouble(), retryable=True)
        content = msgspec.json.encode(body)
        headers = [
            (b"content-type", kind),
            (b"content-length", b"%d" % len(content)),
            (b"cache-control", b"no-store"),
            (b"retry-after", _RETRY_AFTER_SECONDS),
        ]
        await send({"type": f"{prefix}.start", "status": status, "headers": headers})
        await send({"type": f"{prefix}.body", "body": content})

    def _trouble(self) -> str:
        away = ", ".join(part for part, reason in self._parts.items() if reason != OK)
        waiting = f" and waits for: {away}" if away else ""
        return f"The {self._name} starts{waiting}. Try again soon."
