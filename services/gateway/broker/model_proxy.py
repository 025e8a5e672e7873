"""Passes model calls through: the worker's own headers off, the house's key on, nothing stored.

Two addresses of the Messages API are open and no other. The answer is streamed as it comes. What
goes wrong on our side is told in the Messages API's own shape, so that the worker's client
understands it (apis.md §2.5).
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Final, NamedTuple

import httpx
import msgspec

from infra.telemetry import logger

PATHS: Final = frozenset({"v1/messages", "v1/messages/count_tokens"})
MOST_BYTES: Final = 32 * 1024 * 1024

_SENT: Final = frozenset({"content-type", "accept", "anthropic-version", "anthropic-beta"})
_ANSWERED: Final = frozenset(
    {"content-type", "request-id", "retry-after", "retry-after-ms", "x-should-retry"}
)
_ANSWERED_PREFIX: Final = "anthropic-"
_OVERLOADED: Final = 529

_log = logger(__name__)


class Passed(NamedTuple):
    """An answer on its way through."""

    status: int
    headers: dict[str, str]
    content: AsyncGenerator[bytes, None]


class ModelProxy:
    """One Messages API, and the house's key to it. The key leaves this object for there only."""

    def __init__(self, client: httpx.AsyncClient, *, base_url: str, key: str) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._key = key

    async def call(self, path: str, headers: Mapping[str, str], body: bytes) -> Passed:
        """Pass one call on. `path` is one of PATHS, `headers` have lower-case names.

        An API that cannot be reached is answered as overloaded (529), which clients try again.
        """
        request = self._client.build_request(
            "POST",
            f"{self._base_url}/{path}",
            headers={
                **{name: value for name, value in headers.items() if name in _SENT},
                "Authorization": f"Bearer {self._key}",
                "X-Api-Key": self._key,
                "Accept-Encoding": "identity",
            },
            content=body,
        )
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            _log.warning("the model's API is not reachable", error=repr(error))
            return _unreachable(type(error).__name__)
        return Passed(answer.status_code, _passed_headers(answer), _through(answer))


async def _through(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield the answer as it comes. A stream that breaks off ends with an `error` event."""
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    except httpx.TransportError as error:
        _log.warning("the model's answer broke off", error=repr(error))
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            body = error_body("api_error", "The model's answer broke off.")
            yield b"\n\nevent: error\ndata: " + body + b"\n\n"
    finally:
        await answer.aclose()


def _passed_headers(answer: httpx.Response) -> dict[str, str]:
    return {
        name: value
        for name, value in answer.headers.items()
        if name in _ANSWERED or name.startswith(_ANSWERED_PREFIX)
    }


def _unreachable(cause: str) -> Passed:
    body = error_body("overloaded_error", f"The gateway cannot reach the model's API ({cause}).")

    async def content() -> AsyncGenerator[bytes, None]:
        yield body

    return Passed(_OVERLOADED, {"content-type": "application/json", "retry-after": "2"}, content())


def error_body(kind: str, message: str) -> bytes:
    """Spell an error as the Messages API does."""
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})
