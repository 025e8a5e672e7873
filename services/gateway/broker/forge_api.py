"""The forge's own API, as far as it is used: the default branch, and the one pull request.

Sources: GitHub REST, "Pulls"; GitLab REST v4, "Merge requests"; apis.md §3.1 and §3.2.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, assert_never
from urllib.parse import quote

import httpx
import msgspec

from services.gateway.problems import refused, unavailable
from services.gateway.repository_url import Place

_GITHUB: Final = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    "User-Agent": "errand",
}


class PullRequestWish(msgspec.Struct, frozen=True, kw_only=True):
    """What the pull request shall say, from which branch into which."""

    title: str
    body: str
    branch: str
    base: str
    draft: bool = False


class PullRequest(msgspec.Struct, frozen=True):
    """The pull request as it stands; `created` tells whether it is new."""

    number: int
    url: str
    created: bool


class ForgeRepository(msgspec.Struct, frozen=True):
    """What the forge says of a repository; an empty branch means: ask git."""

    default_branch: str
    kind: str


class ForgeApi:
    """Speaks to the APIs of forges. Every method raises Refused: 404, 403, 422, 503."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def repository(self, place: Place) -> ForgeRepository:
        """Tell the default branch."""
        match place.forge.kind:
            case "github":
                found = await self._github(place, "GET", "")
                return ForgeRepository(str(found["default_branch"]), "github")
            case "gitlab":
                found = await self._gitlab(place, "GET", "")
                return ForgeRepository(str(found.get("default_branch") or ""), "gitlab")
            case "git":
                return ForgeRepository("", "git")
            case kind:
                assert_never(kind)

    async def pull_request(self, place: Place, wish: PullRequestWish) -> PullRequest | None:
        """Open the branch's pull request or bring it up to date; None where there are none."""
        match place.forge.kind:
            case "github":
                return await self._github_pull(place, wish)
            case "gitlab":
                return await self._gitlab_merge(place, wish)
            case "git":
                return None
            case kind:
                assert_never(kind)

    async def _github_pull(self, place: Place, wish: PullRequestWish) -> PullRequest:
        owner = place.owner
        query = {"head": f"{owner}:{wish.branch}", "state": "open"}
        text = {"title": wish.title, "body": wish.body}
        for found in await self._github(place, "GET", "/pulls", query=query):
            changed = await self._github(place, "PATCH", f"/pulls/{found['number']}", json=text)
            return PullRequest(changed["number"], changed["html_url"], created=False)
        made = await self._github(
            place,
            "POST",
            "/pulls",
            json={**text, "head": wish.branch, "base": wish.base, "draft": wish.draft},
        )
        return PullRequest(made["number"], made["html_url"], created=True)

    async def _gitlab_merge(self, place: Place, wish: PullRequestWish) -> PullRequest:
        query = {"source_branch": wish.branch, "state": "opened"}
        title = f"Draft: {wish.title}" if wish.draft else wish.title
        text = {"title": title, "description": wish.body}
        for found in await self._gitlab(place, "GET", "/merge_requests", query=query):
            path = f"/merge_requests/{found['iid']}"
            changed = await self._gitlab(place, "PUT", path, json=text)
            return PullRequest(changed["iid"], changed["web_url"], created=False)
        made = await self._gitlab(
            place,
            "POST",
            "/merge_requests",
            json={**text, "source_branch": wish.branch, "target_branch": wish.base},
        )
        return PullRequest(made["iid"], made["web_url"], created=True)

    async def _github(
        self,
        place: Place,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Any:  # noqa: ANN401 - the forge's JSON
        url = f"{place.forge.api_url.rstrip('/')}/repos/{place.owner}/{place.name}{path}"
        token = place.forge.token
        headers = {**_GITHUB, **({"Authorization": f"Bearer {token}"} if token else {})}
        request = self._client.build_request(
            method, url, params=query, headers=headers, content=_encoded(json)
        )
        return await self._ask(request, place)

    async def _gitlab(
        self,
        place: Place,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Any:  # noqa: ANN401 - the forge's JSON
        project = quote(f"{place.owner}/{place.name}", safe="")
        url = f"{place.forge.api_url.rstrip('/')}/projects/{project}{path}"
        headers = {"Content-Type": "application/json", "User-Agent": "errand"}
        if place.forge.token:
            headers["PRIVATE-TOKEN"] = place.forge.token
        request = self._client.build_request(
            method, url, params=query, headers=headers, content=_encoded(json)
        )
        return await self._ask(request, place)

    async def _ask(self, request: httpx.Request, place: Place) -> Any:  # noqa: ANN401 - the forge's JSON
        try:
            answer = await self._client.send(request)
        except httpx.TransportError:
            raise unavailable(f"The forge {place.forge.url} does not answer.") from None
        if answer.is_success:
            return msgspec.json.decode(answer.content)
        detail = _words(answer)
        match answer.status_code:
            case HTTPStatus.NOT_FOUND:
                raise refused(404, "repository_not_found", f"{place.url} was not found: {detail}")
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise refused(
                    403,
                    "repository_refused",
                    f"{place.forge.url} refuses the house's token: {detail}. The operator sets "
                    "tokens in FORGES.",
                )
            case HTTPStatus.UNPROCESSABLE_ENTITY | HTTPStatus.CONFLICT | HTTPStatus.BAD_REQUEST:
                raise refused(422, "forge_refused", f"The forge refuses this: {detail}")
            case status:
                raise unavailable(f"The forge {place.forge.url} answered {status}.")


def _encoded(json: object) -> bytes | None:
    return None if json is None else msgspec.json.encode(json)


def _words(answer: httpx.Response) -> str:
    """Find the forge's own words in an error: a message and GitHub's list of errors."""
    try:
        body = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return f"status {answer.status_code}"
    if not isinstance(body, dict):
        return f"status {answer.status_code}"
    errors = body.get("errors") or []
    details = [str(e.get("message") or e) if isinstance(e, dict) else str(e) for e in errors]
    return "; ".join(
        [str(body.get("message") or body.get("error") or answer.status_code), *details]
    )
