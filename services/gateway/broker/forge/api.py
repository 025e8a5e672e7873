"""Client of the forge's API: the default branch and the task's pull request.

Sources: GitHub REST, "Pulls"; GitLab REST v4, "Merge requests".
"""

from collections.abc import Mapping
from typing import Any, Final, assert_never
from urllib.parse import quote

import httpx
import msgspec

from events.protocol.broker import (
    FORGE_UNREACHABLE,
    ForgeRepository,
    PullRequestRequest,
    PullRequestResponse,
)
from services.gateway.broker.forge.access import AuthorizedPlace
from services.gateway.broker.forge.rules.refusals import existing_number, refusal_of
from services.gateway.broker.forge.rules.text_limits import DRAFT, fit_body, fit_title
from services.gateway.problems import Refused, problem, refused, unreachable

_GITHUB: Final = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    "User-Agent": "errand",
}


class ForgeApi:
    """Client of the forges' APIs. Every method raises Refused: 404, 403, 422, 503."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def repository(self, place: AuthorizedPlace) -> ForgeRepository:
        """Return the default branch."""
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

    async def pull_request(
        self, place: AuthorizedPlace, request: PullRequestRequest
    ) -> PullRequestResponse | None:
        """Create or update the branch's pull request; None where the forge has none."""
        match place.forge.kind:
            case "github":
                return await self._github_pull(place, request)
            case "gitlab":
                return await self._gitlab_merge(place, request)
            case "git":
                return None
            case kind:
                assert_never(kind)

    async def _github_pull(
        self, place: AuthorizedPlace, request: PullRequestRequest
    ) -> PullRequestResponse:
        owner = place.owner
        query = {"head": f"{owner}:{request.branch}", "state": "open"}
        text = {
            "title": fit_title(request.title, request.branch, "github"),
            "body": fit_body(request.body, "github"),
        }
        new = {**text, "head": request.branch, "base": request.base, "draft": request.draft}
        for found in await self._github(place, "GET", "/pulls", query=query):
            changed = await self._github(place, "PATCH", f"/pulls/{found['number']}", json=text)
            return PullRequestResponse(changed["number"], changed["html_url"], created=False)
        made = await self._github(place, "POST", "/pulls", json=new)
        return PullRequestResponse(made["number"], made["html_url"], created=True)

    async def _gitlab_merge(
        self, place: AuthorizedPlace, request: PullRequestRequest
    ) -> PullRequestResponse:
        query = {"source_branch": request.branch, "state": "opened"}
        before = DRAFT if request.draft else ""
        title = before + fit_title(request.title, request.branch, "gitlab", room=len(before))
        text = {"title": title, "description": fit_body(request.body, "gitlab")}
        for found in await self._gitlab(place, "GET", "/merge_requests", query=query):
            path = f"/merge_requests/{found['iid']}"
            changed = await self._gitlab(place, "PUT", path, json=text)
            return PullRequestResponse(changed["iid"], changed["web_url"], created=False)
        new = {**text, "source_branch": request.branch, "target_branch": request.base}
        try:
            made = await self._gitlab(place, "POST", "/merge_requests", json=new)
        except Refused as error:
            number = existing_number(error.problem.detail)
            if error.problem.code != "pull_request_exists" or number is None:
                raise
            changed = await self._gitlab(place, "PUT", f"/merge_requests/{number}", json=text)
            return PullRequestResponse(changed["iid"], changed["web_url"], created=False)
        return PullRequestResponse(made["iid"], made["web_url"], created=True)

    async def _github(
        self,
        place: AuthorizedPlace,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Any:  # noqa: ANN401 - the forge's JSON
        url = f"{place.forge.api_url.rstrip('/')}/repos/{place.owner}/{place.name}{path}"
        token = place.token
        headers = {**_GITHUB, **({"Authorization": f"Bearer {token}"} if token else {})}
        request = self._client.build_request(
            method, url, params=query, headers=headers, content=_encoded(json)
        )
        return await self._ask(request, place)

    async def _gitlab(
        self,
        place: AuthorizedPlace,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Any:  # noqa: ANN401 - the forge's JSON
        project = quote(f"{place.owner}/{place.name}", safe="")
        url = f"{place.forge.api_url.rstrip('/')}/projects/{project}{path}"
        headers = {"Content-Type": "application/json", "User-Agent": "errand"}
        if place.token:
            headers["PRIVATE-TOKEN"] = place.token
        request = self._client.build_request(
            method, url, params=query, headers=headers, content=_encoded(json)
        )
        return await self._ask(request, place)

    async def _ask(self, request: httpx.Request, place: AuthorizedPlace) -> Any:  # noqa: ANN401 - the forge's JSON
        try:
            answer = await self._client.send(request)
        except httpx.TransportError:
            raise unreachable(
                FORGE_UNREACHABLE, f"The forge {place.forge.url} does not answer."
            ) from None
        if answer.is_success:
            try:
                return msgspec.json.decode(answer.content)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise unreachable(
                    FORGE_UNREACHABLE, f"The forge {place.forge.url} answered no JSON."
                ) from None
        raise _refused(place, answer)


def _refused(place: AuthorizedPlace, answer: httpx.Response) -> Refused:
    """Return the refusal with the forge's own words."""
    refusal = refusal_of(answer.status_code, answer.headers, answer.content)
    match refusal.code:
        case "forge_rate_limited":
            wait = refusal.retry_after_seconds
            detail = f"The forge {place.forge.url} limits requests for now: {refusal.words}"
            limited = problem(503, refusal.code, detail, retryable=True)
            return Refused(limited, retry_after_seconds=wait)
        case "unavailable":
            detail = f"The forge {place.forge.url} answered {answer.status_code}: {refusal.words}"
            return unreachable(FORGE_UNREACHABLE, detail)
        case "repository_not_found":
            return refused(404, refusal.code, f"{place.url} was not found: {refusal.words}")
        case "repository_refused":
            detail = f"{place.forge.url} refuses the token: {refusal.words}. It is set in FORGES."
            return refused(403, refusal.code, detail)
        case code:
            return refused(refusal.status, code, f"The forge refuses this: {refusal.words}")


def _encoded(json: object) -> bytes | None:
    return None if json is None else msgspec.json.encode(json)
