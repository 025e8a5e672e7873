"""Proxy for model calls: drops the worker's auth headers, adds the key, stores nothing.

Two paths of the Messages API are open and no other. Before each call the kill switches are checked
and its maximum cost is reserved; the response is streamed as it comes. Errors on our side
have the Messages API's own shape, so that the worker's client understands them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import httpx
import msgspec

from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.gateway.accounts.tokens import Entropy
from services.gateway.broker.accounting.model_request import (
    ModelRequest,
    PricedCall,
    UnsupportedCall,
    check_betas,
)
from services.gateway.broker.accounting.spend_limits import BillingContext, LimitExceeded
from services.gateway.broker.background.tasks import BackgroundTasks
from services.gateway.broker.kill_switches import KillSwitches
from services.gateway.broker.model.keys import ModelKeys
from services.gateway.broker.model.ledger import Ledger
from services.gateway.broker.model.metered_call import MeteredCall, ResponsePipe

MESSAGES: Final = "v1/messages"
COUNT_TOKENS: Final = "v1/messages/count_tokens"
PATHS: Final = frozenset({MESSAGES, COUNT_TOKENS})
MAX_BYTES: Final = 32 * 1024 * 1024

_SENT: Final = frozenset({"content-type", "accept", "anthropic-version", "anthropic-beta"})
_ANSWERED: Final = frozenset(
    {"content-type", "request-id", "retry-after", "retry-after-ms", "x-should-retry"}
)
_ANSWERED_PREFIX: Final = "anthropic-"
_OVERLOADED: Final = 529
_HELD_SECONDS: Final = 5
_CALL_BYTES: Final = 12
_ROUNDS: Final = 8  # one for each limit, and some for what others set aside meanwhile

_log = logger(__name__)


class ProxiedResponse(NamedTuple):
    """A streamed response."""

    status: int
    headers: dict[str, str]
    content: AsyncGenerator[bytes, None]


class _Counted(msgspec.Struct, frozen=True):
    input_tokens: int


class Upstream(NamedTuple):
    """A Messages API and its HTTP client."""

    client: httpx.AsyncClient
    base_url: str


class ModelProxy:
    """Proxy for one Messages API. Keys are sent nowhere else."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        keys: ModelKeys,
        switches: KillSwitches,
        ledger: Ledger,
        background: BackgroundTasks,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._upstream = upstream
        self._keys = keys
        self._switches = switches
        self._ledger = ledger
        self._background = background
        self._clock = clock
        self._entropy = entropy

    async def call(
        self, path: str, headers: Mapping[str, str], body: bytes, *, payer: BillingContext
    ) -> ProxiedResponse | LimitExceeded:
        """Forward a call, or return the error for an exceeded spend limit.

        `path` is one of PATHS, `headers` have lower-case names. An API that cannot be reached is
        answered as overloaded (529), which clients try again. Raises Refused: 403 when a switch is
        thrown or the account's key does not open, 503 when the database does not answer.
        """
        await self._switches.check(payer)
        key = await self._keys.key_of(payer.account)
        try:
            check_betas(headers.get("anthropic-beta", ""))
            asked = await asyncio.to_thread(ModelRequest, body)  # up to 32 MiB
        except UnsupportedCall as error:
            return refusal(400, "invalid_request_error", str(error))
        if payer.model and asked.priced.model != payer.model:
            return _other_model(asked.priced.model, payer.model)
        if path != MESSAGES:
            sent = asked.encoded(asked.priced)
            return await self._free(self._request(path, headers, sent, key.text))
        call = f"call_{self._entropy(_CALL_BYTES).hex()}"
        reserve = partial(
            self._ledger.reserve, call, payer, is_own_key=key.is_own, now=self._clock()
        )

        def count() -> httpx.Request:
            return self._request(COUNT_TOKENS, headers, asked.counting(), key.text)

        paid = await self._paid(reserve, asked.priced, count)
        if isinstance(paid, LimitExceeded):
            return paid
        sent = asked.encoded(paid)
        return await self._metered(self._request(path, headers, sent, key.text), call, paid)

    async def _paid(
        self,
        reserve: Callable[..., Awaitable[LimitExceeded | None]],
        priced: PricedCall,
        count: Callable[[], httpx.Request],
    ) -> PricedCall | LimitExceeded:
        """Reserve a call's maximum cost; if that is too much, shorten the answer to what is left.

        Before the answer is shortened or the call refused, the provider counts the prompt.
        """
        broke = await reserve(estimate=priced.estimate())
        if broke is None:
            return priced
        if broke.is_held:
            return broke
        priced = await self._counted(count(), priced)
        for _ in range(_ROUNDS):
            broke = await reserve(estimate=priced.estimate())
            if broke is None:
                return priced
            shorter = priced.within(broke.left_microusd)
            if shorter.output_tokens >= priced.output_tokens:
                return broke
            priced = shorter
        return broke

    async def _counted(self, request: httpx.Request, priced: PricedCall) -> PricedCall:
        """Return the call with the prompt counted by the provider, or by bytes if that fails."""
        passed = await self._free(request)
        body = b"".join([piece async for piece in passed.content])
        try:
            return priced.counted(msgspec.json.decode(body, type=_Counted).input_tokens)
        except msgspec.DecodeError:
            return priced

    async def _metered(
        self, request: httpx.Request, call: str, priced: PricedCall
    ) -> ProxiedResponse:
        pipe = ResponsePipe()
        metered = MeteredCall(
            self._upstream.client, self._ledger, self._clock, call=call, priced=priced
        )
        self._background.start(metered.run(request, pipe, broken_off=_broken_off))
        head = await pipe.head
        if head.answer is None:
            return _unreachable(head.unreachable)
        return ProxiedResponse(head.answer.status_code, _passed_headers(head.answer), pipe.pieces())

    async def _free(self, request: httpx.Request) -> ProxiedResponse:
        try:
            answer = await self._upstream.client.send(request)
        except httpx.TransportError as error:
            _log.warning("model.unreachable", error=repr(error))
            return _unreachable(type(error).__name__)
        return ProxiedResponse(answer.status_code, _passed_headers(answer), _whole(answer.content))

    def _request(
        self, path: str, headers: Mapping[str, str], body: bytes, key: str
    ) -> httpx.Request:
        return self._upstream.client.build_request(
            "POST",
            f"{self._upstream.base_url.rstrip('/')}/{path}",
            headers={
                **{name: value for name, value in headers.items() if name in _SENT},
                "Authorization": f"Bearer {key}",
                "X-Api-Key": key,
                "Accept-Encoding": "identity",
            },
            content=body,
        )


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


def _broken_off(answer: httpx.Response) -> bytes:
    """Return the `error` event that ends a broken stream; any other response just ends."""
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        return b""
    body = error_body("api_error", "The model's answer broke off.")
    return b"\n\nevent: error\ndata: " + body + b"\n\n"


def _passed_headers(answer: httpx.Response) -> dict[str, str]:
    return {
        name: value
        for name, value in answer.headers.items()
        if name in _ANSWERED or name.startswith(_ANSWERED_PREFIX)
    }


def _other_model(asked: str, own: str) -> ProxiedResponse:
    detail = f"This task's model is {own}; its worker may not ask {asked}."
    return refusal(403, "permission_error", detail, details={"error_code": "model_not_allowed"})


def _unreachable(cause: str) -> ProxiedResponse:
    detail = f"The gateway cannot reach the model's API ({cause})."
    return refusal(_OVERLOADED, "overloaded_error", detail, headers={"retry-after": "2"})


def broke_answer(broke: LimitExceeded) -> ProxiedResponse:
    """Return the API's error for an exceeded limit: 402, or 429 while running calls hold it."""
    if broke.is_held:
        headers = {"retry-after": str(_HELD_SECONDS)}
        return refusal(429, "rate_limit_error", broke.detail, headers=headers)
    details = {
        "error_code": "budget_exhausted",
        "scope": broke.scope,
        "spent": broke.spent_microusd,
        "limit": broke.limit_microusd,
        "needed": broke.needed_microusd,
        "resets_at": broke.resets_at,
    }
    return refusal(402, "billing_error", broke.detail, details=details)


def refusal(
    status: int,
    kind: str,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ProxiedResponse:
    """Return an error response in the Messages API's shape."""
    body = error_body(kind, message, details)
    return ProxiedResponse(
        status, {"content-type": "application/json", **(headers or {})}, _whole(body)
    )


def error_body(kind: str, message: str, details: Mapping[str, Any] | None = None) -> bytes:
    """Return the body of a Messages API error."""
    error = {"type": kind, "message": message, **({"details": details} if details else {})}
    return msgspec.json.encode({"type": "error", "error": error})
