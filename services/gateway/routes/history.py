"""A task's events: by the page, by long poll, or as they come (server-sent events)."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from events import History
from infra.event_log import Unavailable
from services.gateway.access import history_for
from services.gateway.feeds import Feeds
from services.gateway.house import House
from services.gateway.problems import not_found, refused, unavailable
from services.gateway.routes.asking import Asked, TheHouse, ThePerson

COMMENT_SECONDS: Final = 15.0
ROTATION_SECONDS: Final = 600.0
_PAGE_BYTES: Final = 1024 * 1024

_STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get("/v1/tasks/{task:str}/events", tags=["tasks"], summary="A task's events")
async def events(
    request: Asked,
    house: TheHouse,
    principal: ThePerson,
    task: FromPath[str],
    *,
    after: Annotated[int, QueryParameter(ge=0, description="Only events after this version.")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 200,
    wait: Annotated[
        float, QueryParameter(ge=0, le=60, description="Seconds to wait for the first event.")
    ] = 0,
) -> Response[Any]:
    """Answer `{"data": [events], "next", "head"}`; `next` is the next page's `after`, or null.

    With `Accept: text/event-stream` the events are streamed as they come, each with its version as
    its id; `Last-Event-ID` resumes.
    """
    history = history_for(principal, task)
    if not await house.people.allowed(principal, history.task):
        raise not_found()
    if "text/event-stream" in request.headers.get("accept", ""):
        after = _resume(request.headers.get("last-event-id", ""), after)
        return Stream(
            _server_sent(house.feeds, history, after),
            media_type="text/event-stream",
            headers=_STREAM_HEADERS,
        )
    news = await _read(house, history, after)
    if not news and wait:
        await _first_news(house.feeds, history, after, seconds=wait)
        news = await _read(house, history, after)
    return Response(_page(news, after, limit), media_type="application/json")


async def _read(house: House, history: History, after: int) -> Sequence[tuple[int, bytes]]:
    try:
        return [(r.version, r.body) for r in await house.log.read(history, after=after)]
    except Unavailable:
        raise unavailable("The event log does not answer at the moment.") from None


async def _first_news(feeds: Feeds, history: History, after: int, *, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds), aclosing(feeds.events(history, after)) as feed:
            await anext(feed, None)
    except TimeoutError:
        return
    except Unavailable:
        raise unavailable("The event log does not answer at the moment.") from None


def _page(news: Sequence[tuple[int, bytes]], after: int, limit: int) -> bytes:
    taken: list[bytes] = []
    size = 0
    for _, body in news[:limit]:
        if taken and size + len(body) > _PAGE_BYTES:
            break
        taken.append(body)
        size += len(body)
    following = b"%d" % news[len(taken) - 1][0] if len(taken) < len(news) else b"null"
    head = news[-1][0] if news else after
    return b'{"data":[%s],"next":%s,"head":%d}' % (b",".join(taken), following, head)


def _resume(last_event_id: str, after: int) -> int:
    if not last_event_id:
        return after
    if not last_event_id.isascii() or not last_event_id.isdigit():
        raise refused(400, "last_event_id_invalid", "Last-Event-ID must be an event's version.")
    return int(last_event_id)


async def _server_sent(feeds: Feeds, history: History, after: int) -> AsyncGenerator[bytes, None]:
    """Spell events as they come (WHATWG HTML §9.2); a comment when nothing comes for a while.

    Ends after ten minutes, so that connections spread over the gateways; clients resume.
    """
    loop = asyncio.get_running_loop()
    rotation = loop.time() + ROTATION_SECONDS
    yield b"retry: 1000\n\n"
    while loop.time() < rotation:
        batch = await _next_batch(feeds, history, after)
        if batch is None:
            return
        if not batch:
            yield b": still here\n\n"
            continue
        after = batch[-1][0]
        yield b"".join(b"id: %d\ndata: %s\n\n" % item for item in batch)


async def _next_batch(feeds: Feeds, history: History, after: int) -> list[tuple[int, bytes]] | None:
    try:
        async with (
            asyncio.timeout(COMMENT_SECONDS),
            aclosing(feeds.events(history, after)) as feed,
        ):
            return await anext(feed, None)
    except TimeoutError:
        return []
    except Unavailable:
        return None  # the client comes back, and resumes


ROUTES = [events]
