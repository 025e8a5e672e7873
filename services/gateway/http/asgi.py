"""The outermost layer: sends each connection to the stream or to the routes, and names requests.

Raw ASGI 3. Every HTTP answer carries X-Request-Id, is counted and timed, and is logged once.
"""

import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from time import perf_counter
from typing import Any, Final

import structlog
from prometheus_client import Counter, Histogram

from infra.runtime.telemetry import logger, span_from
from services.gateway.http.browser.allowed_origins import origin_allowed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

STREAM: Final = "/v1/stream"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

_answers = Counter("errand_gateway_answers", "HTTP answers.", ["method", "status"])
_seconds = Histogram("errand_gateway_seconds", "Until the first byte of an answer.", ["method"])
_SHARED: Final = re.compile(r"^((?:/v1)?/shared/)[^/]+")  # what follows is a secret
_log = logger(__name__)


class NamedRequests:
    """Middleware that names each HTTP request, and counts, times and logs its answer.

    `new_id` makes the names of requests that come without one.
    """

    def __init__(self, routes: Application, new_id: Callable[[], str]) -> None:
        self._routes = routes
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        asked = headers.get("x-request-id", "")
        request_id = asked if _REQUEST_ID.fullmatch(asked) else self._new_id()
        scope["request_id"] = request_id
        method, path = scope["method"], _SHARED.sub(r"\1…", scope["path"])
        began = perf_counter()

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = perf_counter() - began
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                ]
                _answers.labels(method, message["status"]).inc()
                _seconds.labels(method).observe(seconds)
                _log.info(
                    "request.answered",
                    method=method,
                    path=path,
                    status=message["status"],
                    seconds=round(seconds, 4),
                )
            await send(message)

        with (
            structlog.contextvars.bound_contextvars(request=request_id),
            span_from(headers, "http", method=method, path=path),
        ):
            await self._routes(scope, receive, named)


class GatewayApplication:
    """The gateway as one ASGI application.

    `origins` are those whose pages may connect to the stream (accounts.origins).
    """

    def __init__(
        self, *, stream: Application, routes: Application, origins: Collection[str]
    ) -> None:
        self._stream = stream
        self._origins = origins
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            await self._routes(scope, receive, send)
        elif scope["type"] == "websocket" and not origin_allowed(_origin(scope), self._origins):
            await receive()
            await send({"type": "websocket.close", "code": 4506, "reason": "Not from this origin."})
        elif scope["type"] == "websocket" and scope["path"] == STREAM:
            await self._stream(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4500, "reason": f"Use {STREAM}."})


def _origin(scope: Scope) -> str | None:
    """Read the Origin header; one that was sent twice counts as no origin at all: "null"."""
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    return sent[0] if len(sent) == 1 else "null" if sent else None
