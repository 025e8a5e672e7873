"""HTTP client of the gateway's API."""

import secrets
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import httpx
import msgspec

from clients.cli.errors import CliError
from clients.cli.protocol.frames import FieldError
from events import uuid7

_TIMEOUT_SECONDS = 20.0
_UNAUTHENTICATED = 401
_RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})

JSON = dict[str, Any]


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

    `renew` keeps the token fresh; without it `token` is used for as long as it is valid.
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

    async def get(self, path: str, **query: str | int) -> JSON:
        """Send a GET request. Raises CliError with the gateway's explanation."""
        return await self._ask("GET", path, params={k: v for k, v in query.items() if v != ""})

    async def post(self, path: str, body: Mapping[str, object], *, command: str = "") -> JSON:
        """Send a POST request. `command` is the UUID of the Idempotency-Key."""
        headers = {"Idempotency-Key": command} if command else {}
        return await self._ask("POST", path, json=body, headers=headers)

    async def content(self, path: str, **query: str | int) -> bytes:
        """Return the body of a GET request as bytes. Raises CliError as `get` does."""
        answer = await self._send("GET", path, params=query)
        if answer.is_success:
            return answer.content
        raise _trouble(answer)

    async def _ask(self, method: str, path: str, **options: Any) -> JSON:  # noqa: ANN401 - httpx's own
        answer = await self._send(method, path, **options)
        if answer.is_success:
            found: JSON = answer.json() if answer.content else {}
            return found
        raise _trouble(answer)

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        token = await self.fresh_token()
        answer = await self._try(method, path, token, **options)
        if answer.status_code == _UNAUTHENTICATED and self._renew is not None:
            token = await self.fresh_token(
                refused=token
            )  # expired earlier than this clock expected
            answer = await self._try(method, path, token, **options)
        return answer

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


def field_errors_text(detail: str, faults: Sequence[FieldError]) -> str:
    """Return the errors per field that `detail` does not already contain."""
    more = [f for f in faults if f.detail and f.detail not in detail and detail not in f.detail]
    return "; ".join(f"{f.pointer}: {f.detail}" if f.pointer else f.detail for f in more)


def _trouble(answer: httpx.Response) -> CliError:
    try:
        problem: JSON = answer.json()
    except ValueError:
        problem = {}
    detail = str(problem.get("detail") or f"The gateway answered {answer.status_code}.")
    faults = msgspec.convert(problem.get("errors") or [], list[FieldError])
    remedy = field_errors_text(detail, faults)
    if answer.status_code == _UNAUTHENTICATED:
        return SignedOut(detail, remedy)
    if answer.status_code in _RETRYABLE_STATUSES or problem.get("retryable"):
        return Unreachable(detail, remedy)
    return CliError(detail, remedy)
