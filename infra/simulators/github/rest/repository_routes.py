"""The REST API's part on accounts, repositories, branches and references."""

from infra.simulators.github.git import comparison
from infra.simulators.github.http.messages import Refusal, Reply, invalid, json_reply, not_found
from infra.simulators.github.rest.routing import Call, Route, rate, route
from infra.simulators.github.store import names


async def _user(call: Call) -> Reply:
    return json_reply(200, call.shapes.user(call.require_somebody()))


async def _rate_limit(call: Call) -> Reply:
    core = rate(call.forge.clock)
    return json_reply(200, {"resources": {"core": core}, "rate": core})


async def _create(call: Call) -> Reply:
    call.require_owner()
    body = await call.request.json()
    name, private, auto_init = (
        body.get(key, default)
        for key, default in (("name", ""), ("private", False), ("auto_init", False))
    )
    if (
        not isinstance(name, str)
        or not isinstance(private, bool)
        or not isinstance(auto_init, bool)
    ):
        raise Refusal(422, "Invalid request.\n\nname is a string, private and auto_init booleans.")
    if not name:
        raise invalid("Repository", code="missing_field", field="name")
    repository = await call.forge.repositories.create(
        call.forge.login, name, private=private, auto_init=auto_init
    )
    shape = await call.shape(repository)
    return json_reply(201, shape, headers={"Location": str(shape["url"])})


async def _get(call: Call) -> Reply:
    return json_reply(200, await call.shape(call.repository()))


async def _delete(call: Call) -> Reply:
    repository = call.writable()
    async with call.forge.repositories.lock(repository):
        await call.forge.repositories.delete(repository)
    return Reply(204)


async def _branches(call: Call) -> Reply:
    repository = call.repository()
    heads = await call.forge.repositories.heads(repository)
    shapes = call.shapes
    return call.page(
        [
            {"name": name, "commit": {"sha": sha, "url": f"{shapes.page(repository)}/commit/{sha}"}}
            for name, sha in heads.items()
        ]
    )


async def _branch(call: Call) -> Reply:
    repository = call.repository()
    name = call.parts["branch"]
    heads = await call.forge.repositories.heads(repository)
    if name not in heads:
        raise Refusal(404, "Branch not found")
    path = call.forge.repositories.path(repository)
    [commit] = await comparison.commits(call.forge.git, path, heads[name], limit=1)
    return json_reply(200, call.shapes.branch(repository, name, commit))


async def _references(call: Call) -> Reply:
    repository = call.repository()
    found = await call.forge.repositories.references(repository)
    if not found:
        raise Refusal(409, "Git Repository is empty.")
    return call.page([call.shapes.reference(repository, name, sha) for name, sha in found.items()])


async def _reference(call: Call) -> Reply:
    repository = call.repository()
    name = f"refs/{call.parts['reference']}"
    found = await call.forge.repositories.references(repository)
    if name not in found:
        raise not_found()
    return json_reply(200, call.shapes.reference(repository, name, found[name]))


async def _create_reference(call: Call) -> Reply:
    repository = call.writable()
    body = await call.request.json()
    name, sha = body.get("ref"), body.get("sha")
    if not isinstance(name, str) or not names.is_reference(name):
        raise Refusal(422, "Reference name must be refs/heads/… or refs/tags/… and well-formed")
    if not isinstance(sha, str) or not names.is_object(sha):
        raise Refusal(422, "The sha parameter must be exactly 40 characters of hexadecimal.")
    await call.forge.repositories.create_reference(repository, name, sha)
    shape = call.shapes.reference(repository, name, sha)
    return json_reply(201, shape, headers={"Location": str(shape["url"])})


async def _delete_reference(call: Call) -> Reply:
    repository = call.writable()
    name = f"refs/{call.parts['reference']}"
    await call.forge.repositories.delete_reference(repository, name)
    await call.forge.pull_requests.all(repository)  # a pull request without its branch closes
    return Reply(204)


REPOSITORY_ROUTES: tuple[Route, ...] = (
    route("GET", "/user", _user),
    route("GET", "/rate_limit", _rate_limit),
    route("POST", "/user/repos", _create),
    route("GET", "/repos/{owner}/{name}", _get),
    route("DELETE", "/repos/{owner}/{name}", _delete),
    route("GET", "/repos/{owner}/{name}/branches", _branches),
    route("GET", "/repos/{owner}/{name}/branches/{branch*}", _branch),
    route("GET", "/repos/{owner}/{name}/git/refs", _references),
    route("POST", "/repos/{owner}/{name}/git/refs", _create_reference),
    route("GET", "/repos/{owner}/{name}/git/ref/{reference*}", _reference),
    route("DELETE", "/repos/{owner}/{name}/git/refs/{reference*}", _delete_reference),
)
