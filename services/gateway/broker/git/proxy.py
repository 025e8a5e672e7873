"""Proxy for git's smart HTTP to one repository, adding the forge's credential.

Both directions are streamed. A push is stored in a file first and forwarded only after
inspection: the task's own branch and nothing else, and no file that the forge runs or trusts
unless a person has allowed it. Specification: gitprotocol-http(5).
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import httpx

from infra.git.command import GitNotFound
from infra.runtime.telemetry import logger
from services.gateway.broker.forge.access import AuthorizedPlace
from services.gateway.broker.git.protocol.push_request import PushRefused
from services.gateway.broker.git.protocol.receive_pack import offered, report_refusal
from services.gateway.broker.git.push_inspection import ForgeUnreachable, PushInspector, PushPolicy
from services.gateway.broker.git.push_reception import PackTooLarge, PushReception

SERVICES: Final = ("git-upload-pack", "git-receive-pack")

_SENT: Final = frozenset({"content-type", "content-encoding", "accept", "git-protocol"})
_ANSWERED: Final = frozenset({"content-type", "cache-control", "retry-after"})
_MOVED: Final = range(300, 400)
_USERS: Final = {"github": "x-access-token", "gitlab": "oauth2", "git": "x-access-token"}

_log = logger(__name__)


class GitRequest(NamedTuple):
    """A git request: `path` and `query` after the repository's address."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]


class GitResponse(NamedTuple):
    """A streamed response."""

    status: int
    headers: dict[str, str]
    content: AsyncGenerator[bytes, None]


class GitProxy:
    """Forwards git requests to the forges."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._inspector = PushInspector()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def pass_on(
        self, ask: GitRequest, place: AuthorizedPlace, terms: PushPolicy
    ) -> GitResponse:
        """Forward a request. A refusal of the forge is returned as text, which git shows.

        Raises Refused (503) when the log is unavailable.
        """
        if ask.path == "git-receive-pack":
            turn = self._turns.setdefault(terms.branch, asyncio.Lock())
            async with turn:  # one push of a task at a time: what it keeps on disk is bounded
                return await self._push(ask, place, terms)
        answer = await self._forward(ask, place, ask.body if ask.method == "POST" else None)
        if answer.status == HTTPStatus.OK and "git-receive-pack" in ask.query:
            return answer._replace(content=_offered(answer.content))
        return answer

    async def _push(
        self, ask: GitRequest, place: AuthorizedPlace, terms: PushPolicy
    ) -> GitResponse:
        async with PushReception(ask.headers, ask.body, branch=terms.branch) as reception:
            try:
                push = await reception.receive()
                if push is not None:
                    authorization = credential(place).get("Authorization", "")
                    await self._inspector.inspect(push, place, terms, authorization=authorization)
            except PushRefused as refusal:
                _log.warning("push.refused", branch=terms.branch, cause=str(refusal))
                return _refused_push(reception, f"push_refused: {refusal}.")
            except PackTooLarge as error:
                _log.warning("push.refused", branch=terms.branch, cause=str(error))
                return said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"push_refused: {error}.")
            except GitNotFound as error:
                _log.error("push.not_inspected", branch=terms.branch, error=str(error))
                return said(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "git_missing: the broker inspects pushes with git, and there is none on its "
                    "machine. The operator installs git there.",
                )
            except ForgeUnreachable as error:
                _log.warning("push.not_inspected", branch=terms.branch, error=str(error))
                return said(HTTPStatus.BAD_GATEWAY, f"forge_unreachable: {error}.")
            length = {"Content-Length": str(reception.size_bytes)}
            return await self._forward(ask, place, reception.content(), length)

    async def _forward(
        self,
        ask: GitRequest,
        place: AuthorizedPlace,
        body: AsyncIterator[bytes] | None,
        headers: Mapping[str, str] | None = None,
    ) -> GitResponse:
        request = self._client.build_request(
            ask.method,
            f"{place.git_url}/{ask.path}{'?' if ask.query else ''}{ask.query}",
            headers={
                **{name: value for name, value in ask.headers.items() if name in _SENT},
                **credential(place),
                **(headers or {}),
                "User-Agent": "git/errand",  # forges serve git only to git
                "Accept-Encoding": "identity",
            },
            content=body,
        )
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            _log.warning("forge.unreachable", forge=place.forge.url, error=repr(error))
            return said(
                HTTPStatus.BAD_GATEWAY,
                f"forge_unreachable: {place.forge.url} does not answer ({type(error).__name__}).",
            )
        if answer.status_code != HTTPStatus.OK:
            await answer.aclose()
            return _refusal(answer.status_code, place)
        answered = {name: text for name, text in answer.headers.items() if name in _ANSWERED}
        return GitResponse(answer.status_code, answered, _through(answer))


def credential(place: AuthorizedPlace) -> dict[str, str]:
    """Return the forge's credential as a Basic header; none without a credential."""
    if not place.token:
        return {}
    pair = f"{_USERS[place.forge.kind]}:{place.token}".encode()
    return {"Authorization": f"Basic {b64encode(pair).decode()}"}


def _refused_push(reception: PushReception, text: str) -> GitResponse:
    """Return a refused push in git's report format, or as plain text if git takes no report."""
    report = report_refusal(reception.ref, text, reception.capabilities)
    if report is None or not reception.is_whole:
        return said(HTTPStatus.FORBIDDEN, text)

    async def content() -> AsyncGenerator[bytes, None]:
        yield report

    headers = {"content-type": "application/x-git-receive-pack-result", "cache-control": "no-cache"}
    return GitResponse(HTTPStatus.OK, headers, content())


async def _offered(content: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Forward an advertisement with the broker's capabilities in it."""
    start: bytes | None = b""
    try:
        async for chunk in content:
            if start is None:
                yield chunk
                continue
            start += chunk
            changed = offered(start)
            if changed is not None:
                start = None
                yield changed
        if start:
            yield start
    finally:
        await content.aclose()


async def _through(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    except httpx.TransportError as error:  # git sees the pack end early, and says so
        _log.warning("forge.response_broken_off", error=repr(error))
    finally:
        await answer.aclose()


def _refusal(status: int, place: AuthorizedPlace) -> GitResponse:
    """Return the forge's refusal as text. Its 401 must not reach git, which would ask again."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND) and not place.token:
        return said(
            HTTPStatus.NOT_FOUND,
            f"repository_not_found: {place.url} does not exist, or is private and this server has "
            "no token for it. Check the address; the operator sets tokens in FORGES.",
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return said(
            HTTPStatus.FORBIDDEN,
            f"repository_refused: {place.forge.url} refuses this server's token for {place.url}. "
            "The operator sets tokens in FORGES.",
        )
    if status == HTTPStatus.NOT_FOUND or status in _MOVED:
        return said(
            HTTPStatus.NOT_FOUND,
            f"repository_not_found: {place.url} does not exist, was moved, or this server's token "
            "may not see it.",
        )
    return said(HTTPStatus.BAD_GATEWAY, f"forge_unreachable: {place.forge.url} answered {status}.")


def said(status: int, text: str, headers: Mapping[str, str] | None = None) -> GitResponse:
    """Return a line of text as response, which git shows as the remote's message."""

    async def content() -> AsyncGenerator[bytes, None]:
        yield text.encode() + b"\n"

    return GitResponse(status, {"content-type": "text/plain", **(headers or {})}, content())
