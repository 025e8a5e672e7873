"""Routes of a task's events: by the page, by long poll, or as they come (server-sent events)."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from events import History
from events.protocol.api.tasks import EventPage
from infra.log.event_log import Unavailable
from services.gateway.http.browser.session_cookies import credential
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, CurrentPrincipal
from services.gateway.http.request_checks import AnyRequest
from services.gateway.problems import Refused, not_found, position_lost, refused, unavailable
from services.gateway.tasks.access import history_for
from services.gateway.tasks.event_feed import Feeds

COMMENT_SECONDS: Final = 15.0
ROTATION_SECONDS: Final = 600.0
_PAGE_BYTES: Final = 1024 * 1024

_COMMENT: Final = b": still here\n\n"
_VERSION: Final = re.compile(r"[0-9]{1,15}")
_STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get(
    "/v1/tasks/{task:str}/events",
    tags=["tasks"],
    summary="List or stream a task's events",
    opt={
        "answers": (410,),
        "content": {
            "application/json": msgspec.json.schema(EventPage)["$defs"]["EventPage"],
            "text/event-stream": {"type": "string"},
        },
    },
)
async def events(
    request: AnyRequest,
    context: Context,
    principal: CurrentPrincipal,
    task: FromPath[str],
    *,
    after: Annotated[
        int, QueryParameter(ge=0, le=2**53 - 1, description="Only events after this version.")
    ] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 200,
    wait: Annotated[
        float, QueryParameter(ge=0, le=60, description="Seconds to wait for the first event.")
    ] = 0,
) -> Response[Any]:
    """Answer `{"data": [events], "next", "head"}`; `next` is the next page's `after`, or null.

    With `Accept: text/event-stream` the events are streamed as they come, each with its version as
    its id; `Last-Event-ID` resumes. 410 when the history has no such version, or it was erased: the
    `Link` leads to the task as it stands.
    """
    history = history_for(principal, task)
    if not await context.accounts.people.allowed(principal, history.task):
        raise not_found()
    if "text/event-stream" in request.headers.get("accept", ""):
        after = _resume(request.headers.get("last-event-id", ""), after)
        await _require(context.tasks.feeds, history, after)

        async def still() -> bool:
            """Return whether the caller is still signed in, and may still see the task."""
            try:
                token = credential(request, context.public_url).token
                now = await context.accounts.people.authenticate(token)
                return now is not None and await context.accounts.people.allowed(now, history.task)
            except Refused:
                return True  # a part is away, where it would have been revoked

        return Stream(
            _server_sent(context.tasks.feeds, history, after, still=still),
            media_type="text/event-stream",
            headers=_STREAM_HEADERS,
        )
    news = await _read(context, history, after, limit)
    if not news:
        await _require(context.tasks.feeds, history, after)
        if wait:
            await _first_news(context.tasks.feeds, history, after, seconds=wait)
            news = await _read(context, history, after, limit)
    head = news[-1][0] if news else after
    if len(news) > limit:
        head = max(head, await _head(context.tasks.feeds, history, after))
    return Response(_page(news, limit, head), media_type="application/json")


async def _read(
    context: GatewayContext, history: History, after: int, limit: int
) -> Sequence[tuple[int, bytes]]:
    """Read what stands after a version, one event more than `limit` if there is more.

    Raises Refused: 410 when what follows it is erased, 503.
    """
    try:
        news = await context.tasks.log.bodies(history, after=after, limit=limit + 1)
    except Unavailable:
        raise _away() from None
    if news and news[0][0] > after + 1:
        raise position_lost(history.task)
    return news


async def _require(feeds: Feeds, history: History, after: int) -> None:
    """Insist that the history has come to a version. Raises Refused: 410 when it has not, 503."""
    if after > await _head(feeds, history, after):
        raise position_lost(history.task)


async def _head(feeds: Feeds, history: History, at_least: int) -> int:
    try:
        return await feeds.head(history, at_least=at_least)
    except Unavailable:
        raise _away() from None


async def _first_news(feeds: Feeds, history: History, after: int, *, seconds: float) -> None:
    try:
        async with aclosing(feeds.events(history, after, beat_seconds=seconds)) as feed:
            await anext(feed, None)
    except Unavailable:
        raise _away() from None


def _away() -> Refused:
    return unavailable("The event log does not answer at the moment.")


def _page(news: Sequence[tuple[int, bytes]], limit: int, head: int) -> bytes:
    taken: list[bytes] = []
    size = 0
    for _, body in news[:limit]:
        if taken and size + len(body) > _PAGE_BYTES:
            break
        taken.append(body)
        size += len(body)
    following = b"%d" % news[len(taken) - 1][0] if len(taken) < len(news) else b"null"
    return b'{"data":[%s],"next":%s,"head":%d}' % (b",".join(taken), following, head)


def _resume(last_event_id: str, after: int) -> int:
    if not last_event_id:
        return after
    if not _VERSION.fullmatch(last_event_id):
        raise refused(400, "last_event_id_invalid", "Last-Event-ID must be an event's version.")
    return int(last_event_id)


async def _server_sent(
    feeds: Feeds, history: History, after: int, *, still: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes, None]:
    """Yield events as they come (WHATWG HTML §9.2); a comment when nothing comes for a while.

    Ends after ten minutes, so that connections spread over the gateways; clients resume. Ends
    sooner when the caller may look no more, which is asked about as often as a comment is due, and
    when the position is lost or the log away: the client connects again and learns it.
    """
    loop = asyncio.get_running_loop()
    rotation, asked = loop.time() + ROTATION_SECONDS, loop.time()
    yield b"retry: 1000\n\n"
    try:
        async with aclosing(feeds.events(history, after, beat_seconds=COMMENT_SECONDS)) as feed:
            async for batch in feed:
                if batch and batch[0][0] > after + 1:
                    return
                if loop.time() - asked >= COMMENT_SECONDS:
                    asked = loop.time()
                    if not await still():
                        return
                after = batch[-1][0] if batch else after
                yield b"".join(b"id: %d\ndata: %s\n\n" % item for item in batch) or _COMMENT
                if loop.time() >= rotation:
                    return
    except Unavailable:
        return


ROUTES = [events]
