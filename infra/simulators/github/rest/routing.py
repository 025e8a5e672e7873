"""The REST API: which request is for whom, and the rules that hold for all of them."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from infra.runtime.clock import Clock
from infra.simulators.github.git.command import Git
from infra.simulators.github.http.credentials import Sender
from infra.simulators.github.http.messages import Refusal, Reply, Request, json_reply, not_found
from infra.simulators.github.oauth.installations import Installations
from infra.simulators.github.rest.shapes import Shape, Shapes
from infra.simulators.github.store.pull_requests import PullRequests
from infra.simulators.github.store.repositories import Repositories, Repository

_VERSIONS = ("2022-11-28", "2026-03-10")
_REQUESTS_PER_HOUR = 5000
_MAX_PAGE_SIZE = 100
_PAGE = 30
_WHOLE = re.compile(r"[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True)
class Forge:
    """The parts of this forge."""

    login: str
    git: Git
    clock: Clock
    repositories: Repositories
    pull_requests: PullRequests
    installations: Installations | None = None


@dataclass(frozen=True)
class Call:
    """One request to the API: what was asked, by whom, with which parts of its path."""

    request: Request
    sender: Sender
    parts: Mapping[str, str]
    forge: Forge
    shapes: Shapes
    login: str = ""

    def require_owner(self) -> None:
        """Raise Refusal 401 unless a token was sent, 403 unless it is good for this."""
        if self.sender is Sender.STRANGER:
            raise Refusal(403, "Resource not accessible by integration")
        self.require_somebody()
        if self.sender is not Sender.OWNER:
            raise Refusal(403, "Resource not accessible by this token")

    def require_somebody(self) -> str:
        """Return as whom the request comes; raises Refusal 401 when it is nobody."""
        if not self.login:
            raise Refusal(401, "Requires authentication")
        return self.login

    def require_app(self) -> Installations:
        """Return the App's installations; raises Refusal 401 unless the App itself asks."""
        if self.forge.installations is None:
            raise Refusal(401, "A JSON web token could not be decoded")
        self.forge.installations.require_app(self.request.headers.get("authorization", ""))
        return self.forge.installations

    def repository(self) -> Repository:
        """Find the repository of the path; raises Refusal 404, also when it may not be seen."""
        found = self.forge.repositories.find(self.parts["owner"], self.parts["name"])
        if found.private and self.sender is not Sender.OWNER:
            raise not_found()
        return found

    def writable(self) -> Repository:
        """Find the repository of the path for a change; raises Refusal 404 or 401."""
        found = self.repository()
        self.require_owner()
        return found

    async def shape(self, repository: Repository) -> Shape:
        """Shape a repository for this sender."""
        return self.shapes.repository(
            repository,
            default_branch=await self.forge.repositories.default_branch(repository),
            may_push=self.sender is Sender.OWNER,
        )

    def page(self, shapes: list[Shape]) -> Reply:
        """Answer with one page of a list, by `per_page` and `page`, and a Link to the next."""
        size = max(1, min(_MAX_PAGE_SIZE, _whole(self.request.query.get("per_page"), _PAGE)))
        number = max(1, _whole(self.request.query.get("page"), 1))
        here = f"{self.shapes.site}{self.request.path}"
        more = {k: v for k, v in self.request.query.items() if k not in {"per_page", "page"}}
        query = "".join(f"&{k}={v}" for k, v in more.items() if "\n" not in v and "\r" not in v)
        following = f'<{here}?per_page={size}&page={number + 1}{query}>; rel="next"'
        last = number * size >= len(shapes)
        wanted = shapes[(number - 1) * size : number * size]
        return json_reply(200, wanted, headers={} if last else {"Link": following})


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and _WHOLE.fullmatch(text) else otherwise


Run = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True)
class Route:
    """A method and a pattern of paths, and who answers."""

    method: str
    pattern: re.Pattern[str]
    run: Run


def route(method: str, path: str, run: Run) -> Route:
    """Make a route: `{x}` stands for one part of the path, `{x*}` for the rest of it."""
    pattern = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", path)
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
    return Route(method, re.compile(pattern), run)


def find(routes: tuple[Route, ...], method: str, path: str) -> tuple[Run, Mapping[str, str]]:
    """Find who answers; raises Refusal 404, as GitHub does for a wrong method too."""
    for one in routes:
        matched = one.pattern.fullmatch(path)
        if matched is not None and one.method == method:
            return one.run, matched.groupdict()
    raise not_found()


def check(request: Request, sender: Sender) -> None:
    """Raise Refusal for what GitHub refuses before it looks at the path."""
    if not request.headers.get("user-agent"):
        raise Refusal(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a "
            "User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api"
            "#user-agent-required). Check https://developer.github.com for other possible causes.",
        )
    if sender is Sender.IMPOSTOR:
        raise Refusal(401, "Bad credentials")
    version = request.headers.get("x-github-api-version")
    if version is not None and version not in _VERSIONS:
        raise Refusal(400, f"The API version is not supported: {version}. Send {_VERSIONS[0]}.")


def rate(clock: Clock) -> Shape:
    """Shape the limit of requests an hour, which here is never reached."""
    return {
        "limit": _REQUESTS_PER_HOUR,
        "remaining": _REQUESTS_PER_HOUR,
        "used": 0,
        "reset": int(clock().timestamp()) + 3600,
    }


def headers(request: Request, clock: Clock) -> dict[str, str]:
    """Make the headers every answer of the API carries."""
    limits = {f"x-ratelimit-{name}": str(value) for name, value in rate(clock).items()}
    version = request.headers.get("x-github-api-version", _VERSIONS[0])
    selected = version if version in _VERSIONS else _VERSIONS[0]
    return {
        **limits,
        "x-ratelimit-resource": "core",
        "x-github-media-type": "github.v3; format=json",
        "x-github-api-version-selected": selected,
    }
