"""The model, over the Anthropic SDK: always streaming, one call, no retries of the SDK's own.

The only importer of anthropic. What a stream brings is put together here and not by the SDK, so
that the blocks go back verbatim; what goes wrong, before or in the middle of a stream, becomes a
ModelFailure. Source: reference/apis.md §2.3-2.5.
"""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Literal

import anthropic
import httpx2
import msgspec

from events import Block, BudgetExhausted, Usage
from services.worker.failures import Kind, Misfortune
from services.worker.ports import (
    Answer,
    BudgetRefused,
    LiveKind,
    ModelFailure,
    OnDelta,
    Question,
)

_MOST_OUTPUT_TOKENS: Final = 32_000
_TIMEOUT: Final = httpx2.Timeout(60.0, connect=10.0, read=300.0)
_WITHOUT_ADAPTIVE_THINKING: Final = ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5")
_OVERLOADED: Final = 529
_MOVED_ON: Final = frozenset({408, 409, 425})
_STATUSES: Final[dict[int, Kind]] = {
    401: "key_refused",
    402: "out_of_credit",
    403: "key_refused",
    429: "rate_limited",
    _OVERLOADED: "overloaded",
}
_ERRORS: Final[dict[str, Kind]] = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "authentication_error": "key_refused",
    "permission_error": "key_refused",
    "billing_error": "out_of_credit",
    "invalid_request_error": "request_refused",
}
_BUDGET: Final = "budget_exhausted"
_CODES: Final[dict[str, Kind]] = {"switched_off": "switched_off"}
_DELTAS: Final[dict[str, tuple[str, LiveKind | None]]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", None),
}


class _Details(msgspec.Struct, frozen=True):
    """The broker's own part of an error: the limit that stands against a call."""

    scope: Literal["cost", "person", "account"]
    spent: int
    limit: int
    resets_at: datetime | None = None


class _Error(msgspec.Struct, frozen=True):
    details: _Details


class _Refused(msgspec.Struct, frozen=True):
    error: _Error


class AnthropicModel:
    """A server that speaks the Messages API, reached with a token."""

    def __init__(self, client: anthropic.AsyncAnthropic) -> None:
        self._client = client

    async def ready(self) -> None:
        """Return: it can be asked at once."""

    async def answer(self, question: Question, on_delta: OnDelta) -> Answer:
        """Ask once; see `services.worker.ports.Model`."""
        try:
            stream = await self._client.messages.create(**_parameters(question), stream=True)
            async with stream:
                draft = _Draft(on_delta)
                async for event in stream:
                    draft.take(event.to_dict())
                request = stream.response.headers.get("request-id", "")
        except anthropic.APIStatusError as error:
            if error.error_code == _BUDGET:
                raise BudgetRefused(_limit_met(error)) from error
            raise ModelFailure(_refusal(error)) from error
        except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
            detail = f"The connection to the model broke: {str(error) or type(error).__name__}."
            raise ModelFailure(Misfortune("connection_lost", detail)) from error
        return draft.finish(request)


class _Draft:
    """A reply while it comes in."""

    def __init__(self, on_delta: OnDelta) -> None:
        self._on_delta = on_delta
        self._blocks: list[Block] = []
        self._inputs: dict[int, str] = {}
        self._usage: dict[str, Any] = {}
        self._model = ""
        self._stop_reason = ""
        self._is_complete = False

    def take(self, event: dict[str, Any]) -> None:
        """Take one event of the stream."""
        match event["type"]:
            case "message_start":
                self._model = event["message"]["model"]
                self._count(event["message"].get("usage"))
            case "content_block_start":
                self._blocks.append(dict(event["content_block"]))
            case "content_block_delta":
                self._grow(event["index"], event["delta"])
            case "message_delta":
                self._stop_reason = event["delta"].get("stop_reason") or ""
                self._count(event.get("usage"))
            case "message_stop":
                self._is_complete = True
            case _:
                pass

    def finish(self, request: str) -> Answer:
        """Return the reply. Raises ModelFailure when it is not whole."""
        if not self._is_complete or not self._stop_reason:
            raise ModelFailure(Misfortune("truncated", "The model's reply ended in the middle."))
        for index, text in self._inputs.items():
            self._blocks[index]["input"] = _input(text, self._stop_reason)
        usage = {name: self._usage.get(name) or 0 for name in Usage.__struct_fields__}
        return Answer(
            blocks=tuple(_sound(self._blocks)),
            stop_reason=self._stop_reason,
            usage=Usage(**usage),
            model=self._model,
            request=request,
        )

    def _grow(self, index: int, delta: dict[str, Any]) -> None:
        kind, block = delta["type"], self._blocks[index]
        if kind == "input_json_delta":
            self._inputs[index] = self._inputs.get(index, "") + delta["partial_json"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        elif kind in _DELTAS:
            field, live = _DELTAS[kind]
            block[field] = (block.get(field) or "") + delta[field]
            if live is not None:
                self._on_delta(live, index, _sound(delta[field]))

    def _count(self, usage: dict[str, Any] | None) -> None:
        """Keep the newest of each count: the later ones are totals, and may leave counts out."""
        self._usage.update({k: v for k, v in (usage or {}).items() if v is not None})


@asynccontextmanager
async def connect(base_url: str, token: str) -> AsyncIterator[AnthropicModel]:
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
        yield AnthropicModel(client)


def _parameters(question: Question) -> dict[str, Any]:
    """Spell the request: fixed order of tools, a marker for the prompt cache on the last block."""
    parameters: dict[str, Any] = {
        "model": question.model,
        "max_tokens": _MOST_OUTPUT_TOKENS,
        "system": question.system,
        "messages": question.messages,
        "tools": question.tools,
        "cache_control": {"type": "ephemeral"},
        "metadata": {"user_id": question.user},
    }
    if not question.model.startswith(_WITHOUT_ADAPTIVE_THINKING):
        parameters["thinking"] = {"type": "adaptive", "display": "summarized"}
    if question.effort:
        parameters["output_config"] = {"effort": question.effort}
    return parameters


def _input(text: str, stop_reason: str) -> dict[str, Any]:
    """Read a call's arguments. Those of a reply that was cut are never run, and may be broken."""
    try:
        # Not msgspec: that refuses half a surrogate pair, which only has to be replaced.
        arguments = json.loads(text or "{}")
    except ValueError as error:
        if stop_reason != "tool_use":
            return {}
        detail = f"The model spelled the arguments of a call wrong: {error}."
        raise ModelFailure(Misfortune("truncated", detail)) from None
    return arguments if isinstance(arguments, dict) else {}


def _sound(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold, in and out
    """Replace halves of surrogate pairs, which JSON can spell and UTF-8 cannot."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_sound(each) for each in value]
    if isinstance(value, dict):
        return {_sound(key): _sound(each) for key, each in value.items()}
    return value


def _refusal(error: anthropic.APIStatusError) -> Misfortune:
    """Say what an error means. In the middle of a stream it comes with status 200."""
    kind = (
        _CODES.get(error.error_code or "")
        or _STATUSES.get(error.status_code)
        or _ERRORS.get(error.type or "")
    )
    if kind is None:
        is_ours = 400 <= error.status_code < 500 and error.status_code not in _MOVED_ON  # noqa: PLR2004 - client errors
        kind = "request_refused" if is_ours else "server_error"
    said = _sound(error.api_message or error.message)
    named = f" (request {error.request_id})" if error.request_id else ""
    detail = f"The model answered {error.status_code}{named}: {said}"
    return Misfortune(kind, detail, _retry_after_seconds(error.response.headers))


def _limit_met(error: anthropic.APIStatusError) -> BudgetExhausted:
    """Read which limit the broker says is met."""
    met = msgspec.convert(error.body, _Refused).error.details
    return BudgetExhausted(
        scope=met.scope, spent=met.spent, limit=met.limit, resets_at=met.resets_at
    )


def _retry_after_seconds(headers: httpx2.Headers) -> float | None:
    for name, unit_seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit_seconds)
        except (KeyError, ValueError):  # not there, or a date: our own pause will do
            continue
    return None
