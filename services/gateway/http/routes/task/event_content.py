"""The content of an event that was too long for it: a reply of the model, an output of a tool."""

from typing import Annotated, Any, Final, NamedTuple

from litestar import Response, get
from litestar.params import FromPath, PathParameter
from litestar.response import Stream

from events import Blob, History, ModelReplied, Recorded, TaskId, ToolCompleted
from events.codec import decode
from infra.log.event_log import Unavailable
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, CurrentPrincipal
from services.gateway.http.request_checks import AnyRequest
from services.gateway.problems import not_found, refused, unavailable
from services.gateway.stores.verified_content import (
    is_sound,
    open_verified,
    parse_range,
    read_range,
)
from services.gateway.tasks.access import history_for

UNTRUSTED: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}
"""Headers of what the agent made: never shown as a page of ours."""

_TEXT: Final = "text/plain"  # of UTF-8, which the framework adds
_JSON: Final = "application/json"
_CACHED: Final = {"Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}


class _Content(NamedTuple):
    """The object that an event names, and the media type it is sent with."""

    blob: Blob
    media_type: str


@get(
    "/v1/tasks/{task:str}/events/{version:int}/content",
    tags=["tasks"],
    summary="Get the whole content of an event",
    opt={
        "answers": (409, 416),
        "ranges": True,
        "content": {"text/plain": {"type": "string"}, _JSON: {"type": "array"}},
    },
)
async def get_content(
    request: AnyRequest,
    context: Context,
    principal: CurrentPrincipal,
    task: FromPath[str],
    *,
    version: Annotated[int, PathParameter(ge=1, le=2**53 - 1)],
) -> Response[Any]:
    """Send what was too long for an event, whole or the bytes that `Range` asks for.

    Of `tool.completed` the whole output as text (bytes that are no UTF-8 are shown by a reader as
    U+FFFD; a range may begin inside a character), of `model.replied` the reply's blocks as JSON.
    404 `content_in_event` when the event has all of its content itself.
    """
    history = history_for(principal, task)
    if not await context.accounts.people.allowed(principal, history.task):
        raise not_found()
    found = _content_of(await _event(context, history, version), history.task)
    tag = f'"{found.blob.sha256}"'
    headers = {**UNTRUSTED, **_CACHED, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=found.media_type)
    storage, size_bytes = context.tasks.storage, found.blob.size_bytes
    is_same = request.headers.get("if-range", tag) == tag
    wanted = parse_range(request.headers.get("range", "") if is_same else "", size_bytes)
    if wanted is None:
        content = await open_verified(storage, found.blob)
        headers["Content-Length"] = str(size_bytes)
        return Stream(content, media_type=found.media_type, headers=headers)
    headers["Content-Range"] = f"bytes {wanted.start}-{wanted.end - 1}/{size_bytes}"
    part = await read_range(storage, found.blob, wanted)
    return Response(part, status_code=206, headers=headers, media_type=found.media_type)


async def _event(context: GatewayContext, history: History, version: int) -> Recorded:
    try:
        found = await context.tasks.log.bodies(history, after=version - 1, limit=1)
    except Unavailable:
        raise unavailable("The event log does not answer at the moment.") from None
    if not found or found[0][0] != version:
        raise not_found("event")
    return decode(history, 0, found[0][1])


def _content_of(recorded: Recorded, task: TaskId) -> _Content:
    """Return what an event keeps apart. Raises Refused: 404 when that is nothing, 409."""
    match recorded.event:
        case ToolCompleted(artifact=Blob() as blob):
            found = _Content(blob, _TEXT)
        case ModelReplied(blob=Blob() as blob):
            found = _Content(blob, _JSON)
        case _:
            raise refused(
                404,
                "content_in_event",
                "Nothing of this event was stored apart: what there is stands in the event.",
            )
    if not is_sound(task, found.blob):
        raise refused(
            409,
            "artifact_changed",
            "The event names an object that is not one of this task's own. It is not sent.",
        )
    return found


ROUTES = [get_content]
