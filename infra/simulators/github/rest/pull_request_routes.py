"""The REST API's part on pull requests."""

from infra.simulators.github.git import comparison
from infra.simulators.github.http.messages import Reply, json_reply, not_found
from infra.simulators.github.rest.routing import Call, Route, route
from infra.simulators.github.rest.shapes import Shape
from infra.simulators.github.store.pull_request import PullRequest, propose, read_change
from infra.simulators.github.store.pull_requests import newest_first
from infra.simulators.github.store.repositories import Repository

_DIFF_TYPES = ("application/vnd.github.diff", "application/vnd.github.v3.diff")


async def _open(call: Call) -> Reply:
    repository = call.writable()
    proposal = propose(await call.request.json())
    pull = await call.forge.pull_requests.open(repository, proposal)
    shape = await _whole(call, repository, pull)
    return json_reply(201, shape, headers={"Location": str(shape["url"])})


async def _list(call: Call) -> Reply:
    repository = call.repository()
    query = call.request.query
    owner, colon, branch = query.get("head", "").partition(":")
    # GitHub uses `head` only when it says whose branch it is.
    if colon and owner.lower() != repository.owner.lower():
        return call.page([])
    chosen = newest_first(
        await call.forge.pull_requests.all(repository),
        state=query.get("state", "open"),
        head=branch if colon else "",
        base=query.get("base", ""),
    )
    whole = await call.shape(repository)
    return call.page([call.shapes.pull_request(repository, pull, whole) for pull in chosen])


async def _get(call: Call) -> Reply:
    repository, pull = await _named(call)
    accepted = call.request.headers.get("accept", "")
    if any(kind in accepted for kind in _DIFF_TYPES):
        path = call.forge.repositories.path(repository)
        text = await comparison.diff(call.forge.git, path, pull.base_sha, pull.head_sha)
        return Reply(200, text.encode(), content_type=f"{_DIFF_TYPES[0]}; charset=utf-8")
    return json_reply(200, await _whole(call, repository, pull))


async def _edit(call: Call) -> Reply:
    repository = call.writable()
    change = read_change(await call.request.json())
    pull = await call.forge.pull_requests.edit(repository, _number(call), change)
    return json_reply(200, await _whole(call, repository, pull))


async def _commits(call: Call) -> Reply:
    repository, pull = await _named(call)
    found = await _commits_of(call, repository, pull)
    return call.page([call.shapes.commit(repository, commit) for commit in found])


async def _files(call: Call) -> Reply:
    repository, pull = await _named(call)
    path = call.forge.repositories.path(repository)
    changed = await comparison.changed_files(call.forge.git, path, pull.base_sha, pull.head_sha)
    return call.page([call.shapes.file(file) for file in changed])


def _number(call: Call) -> int:
    text = call.parts["number"]
    if not text.isascii() or not text.isdigit():
        raise not_found()
    return int(text[:9])


async def _named(call: Call) -> tuple[Repository, PullRequest]:
    repository = call.repository()
    return repository, await call.forge.pull_requests.find(repository, _number(call))


async def _commits_of(
    call: Call, repository: Repository, pull: PullRequest
) -> list[comparison.Commit]:
    path = call.forge.repositories.path(repository)
    between = f"{pull.base_sha}..{pull.head_sha}"
    return await comparison.commits(call.forge.git, path, between)


async def _whole(call: Call, repository: Repository, pull: PullRequest) -> Shape:
    path = call.forge.repositories.path(repository)
    return call.shapes.whole_pull_request(
        call.shapes.pull_request(repository, pull, await call.shape(repository)),
        await _commits_of(call, repository, pull),
        await comparison.changed_files(call.forge.git, path, pull.base_sha, pull.head_sha),
    )


PULL_REQUEST_ROUTES: tuple[Route, ...] = (
    route("POST", "/repos/{owner}/{name}/pulls", _open),
    route("GET", "/repos/{owner}/{name}/pulls", _list),
    route("GET", "/repos/{owner}/{name}/pulls/{number}", _get),
    route("PATCH", "/repos/{owner}/{name}/pulls/{number}", _edit),
    route("GET", "/repos/{owner}/{name}/pulls/{number}/commits", _commits),
    route("GET", "/repos/{owner}/{name}/pulls/{number}/files", _files),
)
