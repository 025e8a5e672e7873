"""The gateway's HTTP API, as this client uses it."""

import secrets
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import httpx
import msgspec

from clients.cli.errors import Trouble
from clients.cli.protocol.frames import Fault
from events import uuid7

_TIMEOUT_SECONDS = 20.0
_UNAUTHENTICATED = 401
_LATER = frozenset({429, 502, 503, 504})

JSON = dict[str, Any]


def new_command() -> str:
    """Make the id of a command: a UUIDv7, new each time."""
    return str(uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10)))


class SignedOut(Trouble):
    """The gateway does not know this token, or no longer."""


class Unreachable(Trouble):
    """The gateway does not answer, or says that it cannot just now. Later it may."""


class Renew(Protocol):
    """Gives a token that is good for a while yet; with `refused`, another one than that."""

    async def __call__(self, *, refused: str = "") -> str: ...  # noqa: D102


class Gateway:
    """One gateway, asked as one session. Close it, or use it as a context manager.

    `renew` keeps the token fresh; without it `token` is used as it is, for as long as it is good.
    """

    def __init__(self, url: str, token: str = "", *, renew: Renew | None = None) -> None:
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
        """Whether there will be a newer token when this one has ended."""
        return self._renew is not None

    async def fresh_token(self, *, refused: str = "") -> str:
        """Give a token to ask with now. Raises SignedOut when the session has ended."""
        if self._renew is not None:
            self.token = await self._renew(refused=refused)
        return self.token

    async def get(self, path: str, **query: str | int) -> JSON:
        """Read something. Raises Trouble with the gateway's own words."""
        return await self._ask("GET", path, params={k: v for k, v in query.items() if v != ""})

    async def post(self, path: str, body: Mapping[str, object], *, command: str = "") -> JSON:
        """Ask for something. `command` is the UUID that makes asking twice harmless."""
        headers = {"Idempotency-Key": command} if command else {}
        return await self._ask("POST", path, json=body, headers=headers)

    async def content(self, path: str, **query: str | int) -> bytes:
        """Read something as it was sent. Raises Trouble as `get` does."""
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
            token = await self.fresh_token(refused=token)  # ended sooner than this clock thought
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
                "Is it running? `make run` starts one here; `--gateway` names another.",
            ) from None


def remedy_of(detail: str, faults: Sequence[Fault]) -> str:
    """Say what is wrong where, when that is more than `detail` says already."""
    more = [f for f in faults if f.detail and f.detail not in detail and detail not in f.detail]
    return "; ".join(f"{f.pointer}: {f.detail}" if f.pointer else f.detail for f in more)


def _trouble(answer: httpx.Response) -> Trouble:
    try:
        problem: JSON = answer.json()
    except ValueError:
        problem = {}
    detail = str(problem.get("detail") or f"The gateway answered {answer.status_code}.")
    faults = msgspec.convert(problem.get("errors") or [], list[Fault])
    remedy = remedy_of(detail, faults)
    if answer.status_code == _UNAUTHENTICATED:
        return SignedOut(detail, remedy)
    if answer.status_code in _LATER or problem.get("retryable"):
        return Unreachable(detail, remedy)
    return Trouble(detail, remedy)
