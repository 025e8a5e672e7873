"""Passes git's smart HTTP through to one repository, with the forge's credential put in.

Both directions are streamed. A push is let through only after its commands were read: the task's
own branch and nothing else. Specification: gitprotocol-http(5).
"""

from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

import httpx

from infra.telemetry import logger
from services.gateway.broker.push import Commands, PushRefused, check, read_commands
from services.gateway.repository_url import Place

SERVICES: Final = ("git-upload-pack", "git-receive-pack")

_SENT: Final = frozenset({"content-type", "content-encoding", "accept", "git-protocol"})
_ANSWERED: Final = frozenset({"content-type", "cache-control", "retry-after"})
_MOVED: Final = range(300, 400)
_USERS: Final = {"github": "x-access-token", "gitlab": "oauth2", "git": "x-access-token"}

_log = logger(__name__)


class Ask(NamedTuple):
    """One request of git's: `path` and `query` after the repository's address."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]


class Answered(NamedTuple):
    """An answer on its way through."""

    status: int
    headers: dict[str, str]
    content: AsyncGenerator[bytes, None]


class GitProxy:
    """Speaks git to the forges."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def pass_on(self, ask: Ask, place: Place, *, branch: str) -> Answered:
        """Pass a request on. What the forge refuses is told as text, which git shows."""
        body: AsyncIterator[bytes] | None = ask.body if ask.method == "POST" else None
        if ask.path == "git-receive-pack":
            try:
                body = await _checked(ask, branch)
            except PushRefused as refusal:
                return said(HTTPStatus.FORBIDDEN, f"push_refused: {refusal}.")
        request = self._client.build_request(
            ask.method,
            f"{place.git_url}/{ask.path}{'?' if ask.query else ''}{ask.query}",
            headers={
                **{name: value for name, value in ask.headers.items() if name in _SENT},
                **credential(place),
                "User-Agent": "git/errand",  # forges serve git only to git
                "Accept-Encoding": "identity",
            },
            content=body,
        )
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            _log.warning("the forge is not reachable", forge=place.forge.url, error=repr(error))
            return said(
                HTTPStatus.BAD_GATEWAY,
                f"forge_unreachable: {place.forge.url} does not answer ({type(error).__name__}).",
            )
        if answer.status_code != HTTPStatus.OK:
            await answer.aclose()
            return _refusal(answer.status_code, place)
        headers = {name: text for name, text in answer.headers.items() if name in _ANSWERED}
        return Answered(answer.status_code, headers, _through(answer))


def credential(place: Place) -> dict[str, str]:
    """Spell the forge's credential as a Basic header; none when the house has none."""
    forge = place.forge
    if not forge.token:
        return {}
    pair = f"{_USERS[forge.kind]}:{forge.token}".encode()
    return {"Authorization": f"Basic {b64encode(pair).decode()}"}


async def _checked(ask: Ask, branch: str) -> AsyncIterator[bytes]:
    if ask.headers.get("content-encoding", "identity") != "identity":
        raise PushRefused("a compressed push is not taken")
    start = b""
    commands = Commands(is_complete=False)
    async for chunk in ask.body:
        start += chunk
        commands = read_commands(start)
        if commands.is_complete:
            break
    if not commands.is_complete:
        raise PushRefused("the push ended before its commands did")
    check(commands.updates, branch=branch)
    return _rejoined(start, ask.body)


async def _rejoined(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in rest:
        yield chunk


async def _through(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    except httpx.TransportError as error:  # git sees the pack end early, and says so
        _log.warning("the forge's answer broke off", error=repr(error))
    finally:
        await answer.aclose()


def _refusal(status: int, place: Place) -> Answered:
    """Tell in words why the forge refused. Its 401 must not reach git, which would ask again."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND) and not place.forge.token:
        return said(
            HTTPStatus.NOT_FOUND,
            f"repository_not_found: {place.url} does not exist, or is private and the house has "
            "no token for it. Check the address; the operator sets tokens in FORGES.",
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return said(
            HTTPStatus.FORBIDDEN,
            f"repository_refused: {place.forge.url} refuses the house's token for {place.url}. "
            "The operator sets tokens in FORGES.",
        )
    if status == HTTPStatus.NOT_FOUND or status in _MOVED:
        return said(
            HTTPStatus.NOT_FOUND,
            f"repository_not_found: {place.url} does not exist, was moved, or the house's token "
            "may not see it.",
        )
    return said(HTTPStatus.BAD_GATEWAY, f"forge_unreachable: {place.forge.url} answered {status}.")


def said(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answered:
    """Answer with a line of text, which git shows to its user as the remote's words."""

    async def content() -> AsyncGenerator[bytes, None]:
        yield text.encode() + b"\n"

    return Answered(status, {"content-type": "text/plain", **(headers or {})}, content())
