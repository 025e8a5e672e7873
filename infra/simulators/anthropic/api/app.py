"""The Messages API over ASGI: keys, routes, bodies, streams, faults on order.

Routes: POST /v1/messages, POST /v1/messages/count_tokens, GET /v1/models[/{id}]; with an admin key
GET /v1/organizations/usage_report/messages; of the
rehearsal's own: GET /health (no key), GET /ledger[?user_id=], and, where faults may be ordered,
GET, POST and DELETE /faults.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from infra.runtime.clock import Clock
from infra.simulators.anthropic.api.errors import Refused, error_body, invalid
from infra.simulators.anthropic.api.faults import Fault, Faults, refuse
from infra.simulators.anthropic.api.models import MODELS, describe
from infra.simulators.anthropic.api.reply import Reply
from infra.simulators.anthropic.api.request import VERSIONS, Request, parse
from infra.simulators.anthropic.api.stream import Event, delivered_tokens, error_event, events_of
from infra.simulators.anthropic.billing import usage_report
from infra.simulators.anthropic.billing.ledger import Ledger, entry_of
from infra.simulators.anthropic.billing.rate_limits import Limits
from infra.simulators.anthropic.rehearsal import Rehearsal

MAX_BODY_BYTES = 32 * 1024 * 1024

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Exchange:
    """One request and the one answer to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, request_id: str) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query = parse_qs(scope["query_string"].decode(errors="replace"))
        self.headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        self.request_id = request_id
        self._receive = receive
        self._send = send

    async def body(self) -> bytes:
        """Read the body to its end; refuses (413) one that is too large, after hearing it out."""
        parts: list[bytes] = []
        size, is_more = 0, True
        while is_more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "The client went away before its body was complete")
            part = message.get("body", b"")
            size += len(part)
            if size <= MAX_BODY_BYTES:
                parts.append(part)
            is_more = message.get("more_body", False)
        if size > MAX_BODY_BYTES:
            raise Refused(413, "Request exceeds the maximum size")
        return b"".join(parts)

    async def begin(self, status: int, kind: str, headers: dict[str, str]) -> None:
        """Send the status and the headers."""
        sent = {"content-type": kind, "request-id": self.request_id, **headers}
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(k.encode(), v.encode("latin-1")) for k, v in sent.items()],
            }
        )

    async def write(self, part: bytes, *, is_last: bool = False) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": part, "more_body": not is_last})

    async def answer(
        self, body: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Send a whole JSON answer."""
        await self.begin(status, "application/json", headers or {})
        await self.write(msgspec.json.encode(body), is_last=True)

    async def wait_until_gone(self) -> None:
        """Return when the client has gone away; only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class ApiKeys(NamedTuple):
    """The key to the Messages API, and the one to the Admin API (empty: there is none)."""

    api: str
    admin: str = ""


class Api:
    """The ASGI application. `pace_seconds` is waited before every delta of a stream."""

    def __init__(
        self,
        rehearsal: Rehearsal,
        *,
        keys: ApiKeys,
        ledger: Ledger,
        limits: Limits,
        clock: Clock,
        faults: Faults | None,
        pace_seconds: float,
    ) -> None:
        self._rehearsal = rehearsal
        self._keys = keys
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._faults = faults
        self._pace_seconds = pace_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send, request_id=self._rehearsal.new_id("req"))
        try:
            await self._route(exchange)
        except Refused as error:
            self._ledger.record_refusal()
            body = error_body(error.status, error.message, exchange.request_id)
            await exchange.answer(body, error.status, self._limits.headers() | error.headers)

    async def _route(self, exchange: Exchange) -> None:
        method, path = exchange.method, exchange.path
        if path == "/health":
            return await exchange.answer({"status": "ok", "model": "rehearsal"})
        if path == usage_report.PATH and method == "GET":
            self._check_key(exchange.headers, self._keys.admin)
            now = self._clock()
            return await exchange.answer(
                usage_report.page(self._ledger.entries(), exchange.query, now=now)
            )
        self._check_key(exchange.headers, self._keys.api)
        if path == "/ledger" and method == "GET":
            users = exchange.query.get("user_id", [None])
            return await exchange.answer(self._ledger.report(users[0]))
        if path == "/faults" and self._faults is not None:
            return await self._order(exchange, self._faults)
        if path == "/v1/messages" and method == "POST":
            return await self._messages(exchange)
        if path == "/v1/messages/count_tokens" and method == "POST":
            raw = parse(await exchange.body(), exchange.headers)
            return await exchange.answer({"input_tokens": self._rehearsal.count(raw)})
        if path.startswith("/v1/models") and method == "GET":
            return await self._models(exchange)
        if path in ("/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/ledger"):
            raise Refused(405, "Method Not Allowed")
        raise Refused(404, f"Not found: {path}")

    def _check_key(self, headers: dict[str, str], key: str) -> None:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = headers.get("x-api-key") or (bearer if scheme.lower() == "bearer" else "")
        if not given:
            raise Refused(401, "x-api-key header is required")
        if not key or not hmac.compare_digest(given.strip().encode("latin-1"), key.encode()):
            raise Refused(401, "invalid x-api-key")

    async def _models(self, exchange: Exchange) -> None:
        if exchange.headers.get("anthropic-version") not in VERSIONS:
            raise invalid("anthropic-version", "header is required")
        name = exchange.path.removeprefix("/v1/models").strip("/")
        if name:
            return await exchange.answer(describe(self._rehearsal.find(name)))
        listed = [describe(self._rehearsal.find(name)) for name in MODELS]
        page = {"first_id": listed[0]["id"], "last_id": listed[-1]["id"], "has_more": False}
        return await exchange.answer({"data": listed, **page})

    async def _order(self, exchange: Exchange, faults: Faults) -> None:
        if exchange.method == "POST":
            faults.order(await exchange.body())
        elif exchange.method == "DELETE":
            faults.clear()
        await exchange.answer({"faults": faults.remaining()})

    async def _messages(self, exchange: Exchange) -> None:
        self._limits.admit()
        raw = parse(await exchange.body(), exchange.headers)
        request = self._rehearsal.check(raw)
        fault = self._faults.strike(_user(request)) if self._faults else None
        if fault and fault.kind == "status":
            raise refuse(fault)
        if fault and fault.kind == "raw":
            await exchange.begin(fault.status, fault.content_type, self._limits.headers())
            await exchange.write(fault.body.encode(errors="surrogateescape"), is_last=True)
            return
        reply = self._rehearsal.answer(raw, request)
        if fault and fault.kind == "stop":
            reply = replace(reply, stop_reason=fault.stop_reason)
        if fault and fault.kind == "reply":
            reply = self._rehearsal.ordered(raw, reply, fault.content, fault.stop_reason)
        if request.stream:
            await self._stream(exchange, request, reply, fault)
        elif fault and fault.kind in ("drop", "stream_error", "truncate"):
            self._bill(exchange, request, reply, output_tokens=0)
        else:
            self._bill(exchange, request, reply)
            await exchange.answer(reply.message(), headers=self._limits.headers())

    async def _stream(
        self, exchange: Exchange, request: Request, reply: Reply, fault: Fault | None
    ) -> None:
        events = _broken(list(events_of(reply)), fault)
        pace = fault.delay_seconds if fault and fault.kind == "slow" else self._pace_seconds
        sent: list[Event] = []
        headers = {"cache-control": "no-cache", **self._limits.headers()}
        await exchange.begin(200, "text/event-stream; charset=utf-8", headers)
        async with asyncio.TaskGroup() as group:
            gone = group.create_task(exchange.wait_until_gone())
            for event in events:
                if event.delta and pace:
                    await asyncio.sleep(pace)
                if gone.done():
                    break
                for part in _split(event.encode()):
                    await exchange.write(part)
                sent.append(event)
            gone.cancel()
        if sent and sent[-1].name == "message_stop":
            self._bill(exchange, request, reply)
        else:
            self._bill(exchange, request, reply, output_tokens=delivered_tokens(sent))
        if not (fault and fault.kind == "drop"):
            await exchange.write(b"", is_last=True)

    def _bill(
        self, exchange: Exchange, request: Request, reply: Reply, output_tokens: int | None = None
    ) -> None:
        """Write the reply down; with `output_tokens` as one that broke off after so many."""
        tokens = reply.output_tokens if output_tokens is None else output_tokens
        self._limits.spend(reply.prompt, tokens)
        self._ledger.record(
            entry_of(
                at=self._clock().isoformat(),
                request_id=exchange.request_id,
                user_id=_user(request),
                model=reply.model,
                prompt=reply.prompt,
                output_tokens=tokens,
                is_complete=output_tokens is None,
            )
        )


def _user(request: Request) -> str:
    return (request.metadata.user_id or "") if request.metadata else ""


def _broken(events: list[Event], fault: Fault | None) -> list[Event]:
    if fault is None or fault.kind not in ("drop", "stream_error", "truncate"):
        return events
    kept = events[: min(fault.after_events, len(events) - 1)]
    if fault.kind == "stream_error":
        kept.append(error_event(fault.error_type, fault.message or "Overloaded"))
    return kept


def _split(part: bytes) -> list[bytes]:
    """Cut the bytes within the first character that has more than one."""
    place = next((index for index, byte in enumerate(part) if byte > 127), None)  # noqa: PLR2004 - the last ASCII byte
    return [part] if place is None else [part[: place + 1], part[place + 1 :]]
