"""The HTTP face of the local Machines API: an ASGI application.

Paths, bodies and errors are those of Fly's Machines API 1.0, under /v1; /health is for the stack
and /faults, where switched on, for tests.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from infra.machines_api.faults import Fault, Faults, RetryLater, Vanish
from infra.machines_api.host import Host
from infra.machines_api.http.operations import OK, Operations, Reply
from infra.machines_api.shapes import ApiError
from infra.runtime.telemetry import logger

Scope = Mapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LOG = logger(__name__)


class MachinesApi:
    """The application. Every answer carries a fly-request-id; every call needs the token."""

    def __init__(
        self,
        host: Host,
        *,
        token: str,
        faults: Faults,
        has_faults: bool,
        is_strict: bool,
        new_request_id: Callable[[], str],
    ) -> None:
        self._host = host
        self._operations = Operations(host, is_strict=is_strict)
        self._token = token
        self._faults = faults
        self._has_faults = has_faults
        self._new_request_id = new_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        method, path, request_id = scope["method"], scope["path"], self._new_request_id()
        is_cut = False
        try:
            reply, is_cut = await self._answer(scope, await _read(receive))
        except ApiError as error:
            reply = _problem(error)
        _LOG.info(
            "request.answered", method=method, path=path, status=reply.status, request=request_id
        )
        await _send(send, reply, request_id, is_cut=is_cut)

    async def _answer(self, scope: Scope, body: bytes) -> tuple[Reply, bool]:
        """Return the answer, and whether it gets lost. Raises ApiError."""
        method, path = scope["method"], scope["path"]
        if path == "/health":
            return Reply(body=OK), False
        if not _is_authorized(scope, self._token):
            raise ApiError(401, "unauthorized: the token is missing or wrong")
        if path == "/faults" and self._has_faults:
            return self._change_faults(method, body), False
        action, operation, request = self._operations.find(method, path)
        self._faults.refuse(action)
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        reply = await operation(msgspec.structs.replace(request, query=query, body=body))
        return reply, self._faults.takes_reply(action)

    def _change_faults(self, method: str, body: bytes) -> Reply:
        if method == "DELETE":
            self._faults.clear()
            return Reply(status=204)
        try:
            fault = msgspec.json.decode(body, type=Fault)
        except msgspec.DecodeError as error:
            raise ApiError(400, f"invalid_argument: {error}") from None
        if isinstance(fault, Vanish):
            self._host.vanish(fault.machine)
        else:
            self._faults.add(fault)
        return Reply(status=204)


def _is_authorized(scope: Mapping[str, Any], token: str) -> bool:
    """Compare the token in constant time; the scheme is Bearer, or FlyV1 as macaroons have it."""
    given = dict(scope["headers"]).get(b"authorization", b"")
    scheme, _, value = given.partition(b" ")
    return scheme.lower() in (b"bearer", b"flyv1") and hmac.compare_digest(value, token.encode())


def _problem(error: ApiError) -> Reply:
    body = {"error": error.error}
    if error.code:
        body["status"] = error.code
    headers = {}
    if isinstance(error, RetryLater) and error.retry_after_seconds:
        headers["retry-after"] = str(error.retry_after_seconds)
    return Reply(status=error.status, body=body, headers=headers)


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False):
            return body


async def _send(send: Send, reply: Reply, request_id: str, *, is_cut: bool) -> None:
    """Send the answer; a cut one announces a body and never sends it, so the connection breaks."""
    body = b"" if reply.body is None else msgspec.json.encode(reply.body)
    headers = {"fly-request-id": request_id, "content-length": str(len(body)), **reply.headers}
    if body:
        headers["content-type"] = "application/json"
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
    if not is_cut:
        await send({"type": "http.response.body", "body": body})
