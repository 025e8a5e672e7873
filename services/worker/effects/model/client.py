"""The model, over the Anthropic SDK: always streaming, one call, no retries of the SDK's own.

The only importer of anthropic. What a stream brings is put together by `reply_parser` and not by
the SDK, so that the blocks go back verbatim and nothing of another shape comes in; whatever goes
wrong, before or in the middle of a stream, becomes a ModelFailure. Source: the Messages API.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Literal

import anthropic
import httpx2
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

_MAX_OUTPUT_TOKENS: Final = 32_000
_MAX_STREAM_BYTES: Final = 256 * 1024 * 1024
_TIMEOUT: Final = httpx2.Timeout(60.0, connect=10.0, read=300.0)
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

    def __init__(self, client: anthropic.AsyncAnthropic, retry: RetryPolicy) -> None:
        self._client = client
        self._retry = retry

    async def ready(self) -> None:
        """Return: it can be asked at once."""

    async def ask(self, model_request: ModelRequest, on_delta: OnDelta) -> ModelReply:
        """Ask once, waiting for the gateway; see `services.worker.ports.Model`.

        Raises Unreachable too, when nobody took the connection.
        """
        try:
            stream = await self._connected(model_request)
            async with stream:
                return await _read_reply(stream.response, on_delta)
        except anthropic.APIStatusError as error:
            if met := _limit_met(error):
                raise BudgetRefused(met) from error
            raise ModelFailure(model_error_of(_refusal(error.response))) from error
        except (anthropic.APIConnectionError, httpx2.HTTPError, httpx2.StreamError) as error:
            cause = short(str(error)) or type(error).__name__
            detail = f"The connection to the model broke: {cause}."
            raise ModelFailure(ModelError("connection_lost", detail)) from error
        except MalformedReply as error:
            detail = f"The model's reply is malformed: {short(str(error))}."
            raise ModelFailure(ModelError("malformed", detail)) from error

    async def _connected(self, model_request: ModelRequest) -> anthropic.AsyncStream[Any]:
        """Send the request; while nobody takes the connection nothing was asked, so ask again."""
        wait = self._retry.start()
        while True:
            try:
                stream: anthropic.AsyncStream[Any] = await self._client.messages.create(
                    **_parameters(model_request), stream=True
                )
            except anthropic.APIConnectionError as error:
                if not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
                    raise
                if not await wait.pause():
                    trouble = short(str(error.__cause__)) or type(error.__cause__).__name__
                    raise wait.error("gateway_unreachable", trouble) from error
            except anthropic.InternalServerError as error:
                if not _is_starting(error):
                    raise
                if not await wait.pause():
                    raise wait.error("gateway_unreachable", "it waits for its servers") from error
            else:
                return stream


async def _read_reply(response: httpx2.Response, on_delta: OnDelta) -> ModelReply:
    """Read a stream to its end. Raises ModelFailure, MalformedReply, httpx2's errors.

    The SDK's own reading of it is passed by: it takes the shape of every event for granted.
    """
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


def _refusal(response: httpx2.Response) -> ErrorResponse:
    """Read an error answer; the SDK has fetched its body."""
    return ErrorResponse(response.status_code, _headers(response), response.text)


def _headers(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


@asynccontextmanager
async def connect(
    base_url: str, token: str, *, retry: RetryPolicy | None = None
) -> AsyncIterator[AnthropicModel]:
    """Reach the model behind the gateway's broker with the attempt's token."""
    # Certificates take 50 ms to read. A plain address needs none: it gets a context without any.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if base_url.startswith("http://") else True
    async with anthropic.AsyncAnthropic(
        base_url=base_url,
        auth_token=token,
        max_retries=0,
        timeout=_TIMEOUT,
        http_client=anthropic.DefaultAsyncHttpxClient(verify=verify, timeout=_TIMEOUT),
    ) as client:
        yield AnthropicModel(client, retry or RetryPolicy())


def _parameters(model_request: ModelRequest) -> dict[str, Any]:
    """Return the request: fixed order of tools, a marker for the prompt cache on the last block."""
    parameters: dict[str, Any] = {
        "model": model_request.model,
        "max_tokens": _MAX_OUTPUT_TOKENS,
        "system": model_request.system,
        "messages": model_request.messages,
        "tools": model_request.tools,
        "cache_control": {"type": "ephemeral"},
        "metadata": {"user_id": model_request.user},
    }
    if not model_request.model.startswith(_WITHOUT_ADAPTIVE_THINKING):
        parameters["thinking"] = {"type": "adaptive", "display": "summarized"}
    if model_request.effort:
        parameters["output_config"] = {"effort": model_request.effort}
    return parameters


def _is_starting(error: anthropic.APIStatusError) -> bool:
    """Return whether the gateway says that it waits for its own servers, and asked nobody."""
    try:
        problem = msgspec.convert(error.body, Problem)
    except msgspec.ValidationError:
        return False
    return problem.code == GATEWAY_STARTING


def _limit_met(error: anthropic.APIStatusError) -> BudgetExhausted | None:
    """Read which limit the broker says is met; None of any other error."""
    try:
        met = msgspec.convert(error.body, _Refused).error.details
    except msgspec.ValidationError:
        return None
    return BudgetExhausted(
        scope=met.scope, spent=met.spent, limit=met.limit, resets_at=met.resets_at
    )
