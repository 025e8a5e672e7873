"""The model, over HTTP: always streaming, one call, no retries but while nobody answers.

The SDK's types are what a request is checked against, and tests compare what is sent with what the
SDK sends. The SDK itself is not loaded: that takes more than a second of a core, and its way of
sending several times as long as the rest of a call. What a stream brings is put together by
`reply_parser`, so that the blocks go back verbatim and nothing of another shape comes in; whatever
goes wrong, before or in the middle of a stream, becomes a ModelFailure. Source: the Messages API.
"""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import httpx
import msgspec

from events import BudgetExhausted
from events.protocol.broker import GATEWAY_STARTING
from events.protocol.problem import Problem
from services.worker.agent.failures.model_errors import ModelError
from services.worker.effects.model.error_responses import (
    ErrorResponse,
    is_page,
    model_error_of,
    short,
    stream_error,
)
from services.worker.effects.model.event_stream import EventStreamDecoder, EventTooLong, StreamEvent
from services.worker.effects.model.json_decoder import MalformedReply
from services.worker.effects.model.reply_parser import ReplyParser, decode_event
from services.worker.ports import (
    BudgetRefused,
    ModelFailure,
    ModelReply,
    ModelRequest,
    OnDelta,
)
from services.worker.retry import RetryPolicy

if TYPE_CHECKING:
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

_PATH: Final = "v1/messages"
_VERSION: Final = "2026-10-21"
_MAX_OUTPUT_TOKENS: Final = 32_000
_MAX_STREAM_BYTES: Final = 256 * 1024 * 1024
_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0, read=300.0)
_KEEP_ALIVE: Final = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
_WITHOUT_ADAPTIVE_THINKING: Final = ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5")


class _Details(msgspec.Struct, frozen=True):
    """The broker's own part of an error: the limit that stands against a call."""

    scope: Literal["cost", "person", "account"]
    spent: int
    limit: int
    error_code: Literal["budget_exhausted"]
    resets_at: datetime | None = None


class _Error(msgspec.Struct, frozen=True):
    details: _Details


class _Refused(msgspec.Struct, frozen=True):
    error: _Error


class AnthropicModel:
    """A server that speaks the Messages API, reached with a token."""

    def __init__(self, client: httpx.AsyncClient, retry: RetryPolicy) -> None:
        self._client = client
        self._retry = retry

    async def ready(self) -> None:
        """Return: it can be asked at once."""

    async def ask(self, model_request: ModelRequest, on_delta: OnDelta) -> ModelReply:
        """Ask once, waiting for the gateway; see `services.worker.ports.Model`.

        Raises Unreachable too, when nobody took the connection.
        """
        try:
            response = await self._connected(model_request)
            try:
                if not response.is_success:
                    raise _failure(response)
                return await _read_reply(response, on_delta)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.StreamError) as error:
            cause = short(str(error)) or type(error).__name__
            detail = f"The connection to the model broke: {cause}."
            raise ModelFailure(ModelError("connection_lost", detail)) from error
        except MalformedReply as error:
            detail = f"The model's reply is malformed: {short(str(error))}."
            raise ModelFailure(ModelError("malformed", detail)) from error

    async def _connected(self, model_request: ModelRequest) -> httpx.Response:
        """Send the request; while nobody takes the connection nothing was asked, so ask again.

        The response is open; that of an error is read.
        """
        content = msgspec.json.encode(_parameters(model_request))
        wait = self._retry.start()
        while True:
            request = self._client.build_request("POST", _PATH, content=content)
            try:
                response = await self._client.send(request, stream=True)
                if response.is_success:
                    return response
                await _read_body(response)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if not await wait.pause():
                    trouble = short(str(error)) or type(error).__name__
                    raise wait.error("gateway_unreachable", trouble) from error
            else:
                if not _is_starting(response):
                    return response
                if not await wait.pause():
                    raise wait.error("gateway_unreachable", "it waits for its servers")


async def _read_body(response: httpx.Response) -> None:
    """Read the body of an error, and leave the connection to the next request."""
    try:
        await response.aread()
    finally:
        await response.aclose()


def _failure(response: httpx.Response) -> BudgetRefused | ModelFailure:
    """Return the error that a response without success stands for; its body was read."""
    if met := _limit_met(response):
        return BudgetRefused(met)
    error = ErrorResponse(response.status_code, _headers(response), response.text)
    return ModelFailure(model_error_of(error))


async def _read_reply(response: httpx.Response, on_delta: OnDelta) -> ModelReply:
    """Read a stream to its end. Raises ModelFailure, MalformedReply, httpx's errors."""
    opening = ErrorResponse(response.status_code, _headers(response), "")
    if is_page(opening):
        raise ModelFailure(model_error_of(opening))
    decoder, parser = EventStreamDecoder(), ReplyParser(on_delta)
    size_bytes = 0
    async for chunk in response.aiter_bytes():
        size_bytes += len(chunk)
        if size_bytes > _MAX_STREAM_BYTES:
            raise MalformedReply("it does not end")
        try:
            for event in decoder.feed(chunk):
                _take(parser, event)
        except EventTooLong:
            raise MalformedReply("one of its events does not end") from None
        if parser.is_complete:
            break
    answer = parser.finish(response.headers.get("request-id", ""))
    if answer is None:
        raise ModelFailure(ModelError("truncated", "The model's reply ended in the middle."))
    return answer


def _take(parser: ReplyParser, event: StreamEvent) -> None:
    data = decode_event(event.data)
    if event.name == "error" or data.get("type") == "error":
        raise ModelFailure(stream_error(data))
    parser.add_event(data)


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


@asynccontextmanager
async def connect(
    base_url: str, token: str, *, retry: RetryPolicy | None = None
) -> AsyncIterator[AnthropicModel]:
    """Reach the model behind the gateway's broker with the attempt's token."""
    # Certificates take 50 ms to read. A plain address needs none: it gets a context without any.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if base_url.startswith("http://") else True
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Anthropic-Version": _VERSION,
    }
    async with httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        timeout=_TIMEOUT,
        follow_redirects=True,
        trust_env=False,
        transport=httpx.AsyncHTTPTransport(verify=verify, socket_options=_KEEP_ALIVE),
    ) as client:
        yield AnthropicModel(client, retry or RetryPolicy())


def _parameters(model_request: ModelRequest) -> "MessageCreateParamsStreaming":
    """Return the request: fixed order of tools, a marker for the prompt cache on the last block."""
    parameters: MessageCreateParamsStreaming = {
        "model": model_request.model,
        "max_tokens": _MAX_OUTPUT_TOKENS,
        "system": cast("Any", model_request.system),
        "messages": cast("Any", model_request.messages),
        "tools": cast("Any", model_request.tools),
        "stream": True,
        "cache_control": {"type": "ephemeral"},
        "metadata": {"user_id": model_request.user},
    }
    if not model_request.model.startswith(_WITHOUT_ADAPTIVE_THINKING):
        parameters["thinking"] = {"type": "adaptive", "display": "summarized"}
    if model_request.effort:
        parameters["output_config"] = {"effort": cast("Any", model_request.effort)}
    return parameters


def _is_starting(response: httpx.Response) -> bool:
    """Return whether the gateway says that it waits for its own servers, and asked nobody."""
    if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return problem.code == GATEWAY_STARTING


def _limit_met(response: httpx.Response) -> BudgetExhausted | None:
    """Read which limit the broker says is met; None of any other error."""
    try:
        met = msgspec.json.decode(response.content, type=_Refused).error.details
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return BudgetExhausted(
        scope=met.scope, spent=met.spent, limit=met.limit, resets_at=met.resets_at
    )
