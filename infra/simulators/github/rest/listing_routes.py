"""The REST API's lists of repositories: one's own, and the search."""

from infra.simulators.github.http.credentials import Sender
from infra.simulators.github.http.messages import Refusal, Reply, invalid
from infra.simulators.github.rest.routing import Call, Route, route
from infra.simulators.github.store.repositories import Repository

_ME = "@me"


async def _mine(call: Call) -> Reply:
    login = call.require_somebody()
    return call.page([await call.shape(found) for found in _of(call, login)])


async def _search(call: Call) -> Reply:
    """Search by words of names and by `user:`; the other qualifiers are GitHub's own default."""
    query = call.request.query.get("q", "")
    if not query.strip():
        raise invalid("Search", code="missing", field="q")
    words = [word.lower() for word in query.split() if ":" not in word]
    users = [word.removeprefix("user:") for word in query.split() if word.startswith("user:")]
    if _ME in users:
        users = [call.require_somebody() if user == _ME else user for user in users]
    found = [
        repository
        for repository in _visible(call)
        if all(word in repository.name.lower() for word in words)
        and (not users or repository.owner.lower() in {user.lower() for user in users})
    ]
    if users and not any(call.forge.repositories.all(owner) for owner in users):
        raise Refusal(
            422,
            "Validation Failed",
            [{"resource": "Search", "field": "q", "code": "invalid"}],
        )
    page = call.page([await call.shape(each) for each in found])
    body = b'{"total_count":%d,"incomplete_results":false,"items":%b}' % (len(found), page.body)
    return Reply(200, body, headers=page.headers)


def _of(call: Call, login: str) -> list[Repository]:
    return [found for found in _visible(call) if found.owner.lower() == login.lower()]


def _visible(call: Call) -> list[Repository]:
    """Return the repositories this sender may see, the newest first."""
    found = [
        repository
        for repository in call.forge.repositories.all()
        if not repository.private or call.sender is Sender.OWNER
    ]
    return sorted(found, key=lambda repository: repository.created_at, reverse=True)


LISTING_ROUTES: tuple[Route, ...] = (
    route("GET", "/user/repos", _mine),
    route("GET", "/search/repositories", _search),
)
