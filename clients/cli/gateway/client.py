"""HTTP client of the gateway's API: structs are sent, and answers are decoded into structs."""

import secrets
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx
import msgspec

from clients.cli.errors import CliError, InvalidAnswer
from events import uuid7
from events.protocol.problem import Fault, Problem

_TIMEOUT_SECONDS = 20.0
_UNAUTHENTICATED = 401
_RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})

T = TypeVar("T")
Body = msgspec.Struct | Mapping[str, object]


def new_command_id() -> str:
    """Return a new command id, a UUIDv7."""
    return str(uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10)))


class SignedOut(CliError):
    """The gateway does not accept this token, or no longer does."""


class Unreachable(CliError):
    """The gateway cannot be reached or is temporarily unable to answer."""


class TokenSource(Protocol):
    """Source of a token that is still valid for a while; never the one in `refused`."""

    async def __call__(self, *, refused: str = "") -> str: ...  # noqa: D102


class Gateway:
    """Client of one gateway with one session, used as a context manager.

    `renew` keeps the token fresh; without it `token` is used for as long as it is valid. Every
    request raises CliError with the gateway's explanation, or InvalidAnswer.
    """

    def __init__(self, url: str, token: str = "", *, renew: TokenSource | None = None) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._renew = renew
        self._client = httpx.AsyncClient(
            base_url=self.url, timeout=_TIMEOUT_SECONDS, follow_redirects=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    @property
    def can_renew(self) -> bool:
        """Return whether the token can be renewed when it has expired."""
        return self._renew is not None

    async def fresh_token(self, *, refused: str = "") -> str:
        """Return a valid token. Raises SignedOut when the session has ended."""
        if self._renew is not None:
            self.token = await self._renew(refused=refused)
        return self.token

    async def get(self, path: str, kind: type[T], /, **query: str | int) -> T:
        """Return the answer to a GET request; an empty query parameter is left out."""
        params = {name: value for name, value in query.items() if value != ""}
        return decode_answer(await self.content(path, **params), kind, path)

    async def post(self, path: str, body: Body, kind: type[T], *, command: str = "") -> T:
        """Return the answer to a POST request. `command` is the UUID of the Idempotency-Key."""
        headers = {"Content-Type": "application/json"}
        if command:
            headers["Idempotency-Key"] = command
        content = msgspec.json.encode(body)
        answer = await self._send("POST", path, content=content, headers=headers)
        return decode_answer(answer, kind, path)

    async def put(self, path: str, body: Body, kind: type[T]) -> T:
        """Put something and decode the answer."""
        content = msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"}
        return decode_answer(
            await self._send("PUT", path, content=content, headers=headers), kind, path
        )

    async def delete(self, path: str) -> None:
        """Send a DELETE request; its answer has no body."""
        await self._send("DELETE", path)

    async def upload(self, path: str, content: bytes, kind: type[T], *, media_type: str) -> T:
        """Return the answer to a POST request of bytes as they are."""
        headers = {"Content-Type": media_type}
        answer = await self._send("POST", path, content=content, headers=headers)
        return decode_answer(answer, kind, path)

    async def content(self, path: str, /, **query: str | int) -> bytes:
        """Return the body of the answer to a GET request."""
        return await self._send("GET", path, params=query)

    async def _send(self, method: str, path: str, **options: Any) -> bytes:  # noqa: ANN401 - httpx's own
        token = await self.fresh_token()
        answer = await self._try(method, path, token, **options)
        if answer.status_code == _UNAUTHENTICATED and self._renew is not None:
            # It has expired earlier than this clock expected.
            token = await self.fresh_token(refused=token)
            answer = await self._try(method, path, token, **options)
        if answer.is_success:
            return answer.content
        raise _error(answer)

    async def _try(self, method: str, path: str, token: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        headers = dict(options.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            return await self._client.request(method, path, headers=headers, **options)
        except httpx.TransportError as error:
            raise Unreachable(
                f"The gateway at {self.url} cannot be reached ({type(error).__name__}).",
                "Check that it runs. `make run` starts one here; `--gateway URL` selects another.",
            ) from None


def decode_answer(content: bytes, kind: type[T], path: str) -> T:
    """Decode an answer; unknown fields are ignored. Raises InvalidAnswer."""
    try:
        return msgspec.json.decode(content or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidAnswer(f"its answer to {path}", error) from None


def field_errors_text(detail: str, faults: Sequence[Fault]) -> str:
    """Return the errors per field that `detail` does not already contain."""
    more = [f for f in faults if f.detail and f.detail not in detail and detail not in f.detail]
    return "; ".join(f"{f.pointer}: {f.detail}" if f.pointer else f.detail for f in more)


def _error(answer: httpx.Response) -> CliError:
    """Return the error that a refusal describes; a proxy's may describe nothing."""
    detail, remedy, is_retryable = f"The gateway answered {answer.status_code}.", "", False
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    else:
        detail, is_retryable = problem.detail, problem.retryable
        remedy = field_errors_text(detail, problem.errors)
    if answer.status_code == _UNAUTHENTICATED:
        return SignedOut(detail, remedy)
    if answer.status_code in _RETRYABLE_STATUSES or is_retryable:
        return Unreachable(detail, remedy)
    return CliError(detail, remedy)
