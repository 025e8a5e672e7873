"""Links by which people without an account may look at a task: make, list, revoke, and read them.

What a link shows is decided field by field (services/gateway/tasks/share_redaction.py).
"""

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from events import History
from events.codec import decode
from events.protocol.api.shares import NewShare, SharedTask, ShareList, ShareRequest
from events.protocol.api.tasks import EventPage
from infra.log.event_log import Unavailable
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, CurrentPrincipal, route_options
from services.gateway.problems import invalid, not_found, refused, unavailable
from services.gateway.queries.shares import ShareTerms
from services.gateway.tasks.access import Principal, history_for

_TAGS: Final = ["shares"]
# Whoever has the address may look: it is kept out of caches, search engines and other sites' logs.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Referrer-Policy": "no-referrer",
}


@post(
    "/v1/tasks/{task:str}/shares",
    tags=_TAGS,
    summary="Share a task by a link",
    opt=route_options("admin", 409),
)
async def make_share(
    context: Context, principal: CurrentPrincipal, task: FromPath[str], data: JSONBody[ShareRequest]
) -> NewShare:
    """Make a link that shows a redacted task to whoever has it, without signing in.

    For owners, and for who submitted the task; an API key needs the scope `admin`. The `url` is
    returned this once only.
    """
    history = history_for(principal, task)
    state = await context.tasks.states.get(history)
    await _require_right(context, principal, history)
    if data.is_live and data.up_to_version is not None:
        raise invalid("version_refused", "/up_to_version", "A link that is live has no last one.")
    until = data.up_to_version or state.version
    if until > state.version:
        raise invalid(
            "version_refused", "/up_to_version", f"The history ends at version {state.version}."
        )
    terms = ShareTerms(data.parts, None if data.is_live else until, data.expires_at)
    return await context.tasks.shares.make(principal, history.task, terms)


@get("/v1/tasks/{task:str}/shares", tags=_TAGS, summary="List a task's links")
async def list_task_shares(
    context: Context, principal: CurrentPrincipal, task: FromPath[str]
) -> ShareList:
    """List a task's links: who made each, when, what it shows, and how often it was opened."""
    history = history_for(principal, task)
    if not await context.accounts.people.allowed(principal, history.task):
        raise not_found()
    return ShareList(await context.tasks.shares.list(principal, history.task))


@get("/v1/shares", tags=_TAGS, summary="List the account's links")
async def list_shares(context: Context, principal: CurrentPrincipal) -> ShareList:
    """List all links of the account, newest first."""
    return ShareList(await context.tasks.shares.list(principal))


@delete("/v1/shares/{share:str}", tags=_TAGS, summary="Revoke a link")
async def revoke_share(context: Context, principal: CurrentPrincipal, share: FromPath[str]) -> None:
    """End a link at once. For who made it, and for owners."""
    await context.tasks.shares.revoke(principal, share)


@get(
    "/v1/shared/{secret:str}",
    tags=_TAGS,
    summary="Get a shared task",
    security=[],
    opt={"answers": (410,)},
)
async def get_shared_task(context: Context, secret: FromPath[str]) -> Response[SharedTask]:
    """Return a task as its link shows it. 410 when the link has ended or the task is erased."""
    opened = await context.tasks.shares.open(secret)
    shown = await context.tasks.shared.task(opened)
    await context.tasks.shares.count_view(opened)
    return Response(shown, headers=_HEADERS)


@get(
    "/v1/shared/{secret:str}/events",
    tags=_TAGS,
    summary="List a shared task's events",
    security=[],
    opt={
        "answers": (410,),
        "content": {"application/json": msgspec.json.schema(EventPage)["$defs"]["EventPage"]},
    },
)
async def get_shared_events(
    context: Context,
    secret: FromPath[str],
    *,
    after: Annotated[
        int, QueryParameter(ge=0, le=2**53 - 1, description="Only events after this version.")
    ] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 200,
) -> Response[Any]:
    """Answer `{"data": [events], "next", "head"}`, of the shape of a task's own events.

    Every event is redacted; their fold is the state that the link shows.
    """
    opened = await context.tasks.shares.open(secret)
    page = await context.tasks.shared.page(opened, after=after, limit=limit)
    following = b"%d" % page.next if page.next else b"null"
    content = b'{"data":[%s],"next":%s,"head":%d}' % (b",".join(page.bodies), following, page.head)
    return Response(content, media_type="application/json", headers=_HEADERS)


async def _require_right(context: GatewayContext, principal: Principal, history: History) -> None:
    """Raise Refused (403) unless the person is an owner or submitted the task."""
    if principal.role == "owner":
        return
    try:
        first = await context.tasks.log.bodies(history, after=0, limit=1)
    except Unavailable:
        raise unavailable("The event log does not answer at the moment.") from None
    if not first or decode(history, 0, first[0][1]).by != principal.by:
        raise refused(
            403,
            "sharing_refused",
            "Only an owner of the account, or who submitted the task, may share it.",
        )


ROUTES: list[Any] = [
    make_share,
    list_task_shares,
    list_shares,
    revoke_share,
    get_shared_task,
    get_shared_events,
]
