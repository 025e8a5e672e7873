"""List a task's artifacts: artifacts by name, and the diff of its work."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Stream

from events import Blob, History, TaskId
from events.protocol.api.tasks import ArtifactList
from infra.log.event_log import Unavailable
from infra.stores.image_header import IMAGE_TYPES
from infra.stores.object_keys import served_media_type
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, CurrentPrincipal
from services.gateway.http.routes.task.event_content import UNTRUSTED
from services.gateway.problems import not_found, refused, unavailable
from services.gateway.queries.artifacts import StoredArtifact
from services.gateway.stores.verified_content import open_verified, read_verified
from services.gateway.tasks.access import Principal, history_for
from services.gateway.tasks.diff import ChangedFile, changed_files

DIFF: Final = "text/x-diff"
_MAX_DIFF_BYTES: Final = 8 * 1024 * 1024
_TAGS: Final = ["artifacts"]


class FileList(msgspec.Struct, frozen=True):
    """The files of a task's newest diff, in its order; `version` is the diff's."""

    version: int
    data: list[ChangedFile]


@get("/v1/tasks/{task:str}/artifacts", tags=_TAGS, summary="List a task's artifacts")
async def list_artifacts(
    context: Context, principal: CurrentPrincipal, task: FromPath[str]
) -> ArtifactList:
    """List a task's artifacts."""
    return ArtifactList([kept.artifact for kept in await _kept(context, principal, task)])


@get(
    "/v1/tasks/{task:str}/artifacts/{name:path}",
    tags=_TAGS,
    summary="Get an artifact",
    opt={"content": {"*/*": {}}, "answers": (409,)},
)
async def get_artifact(
    context: Context, principal: CurrentPrincipal, task: FromPath[str], name: FromPath[str]
) -> Response[Any]:
    """Send an artifact's bytes, for saving."""
    wanted = name.lstrip("/")
    for kept in await _kept(context, principal, task):
        if kept.artifact.name == wanted:
            return await _sent(context, kept, {"Content-Disposition": "attachment"})
    raise not_found("artifact")


@get(
    "/v1/tasks/{task:str}/attachments/{attachment:str}",
    tags=["attachments"],
    summary="Get an attachment",
    opt={"content": {kind: {} for kind in IMAGE_TYPES}, "answers": (409,)},
)
async def get_attachment(
    context: Context, principal: CurrentPrincipal, task: FromPath[str], attachment: FromPath[str]
) -> Response[Any]:
    """Send an image that goes with the task's prompt or with an instruction."""
    history = await _own_history(context, principal, task)
    known = await context.tasks.attachments.find(history, attachment)
    blob = Blob(known.key, known.size_bytes, known.sha256)
    return await _send_object(context, blob, served_media_type(known.media_type))


@get(
    "/v1/tasks/{task:str}/diff",
    tags=_TAGS,
    summary="Get a task's diff",
    opt={"content": {DIFF: {"type": "string"}}, "answers": (409,)},
)
async def get_diff(
    context: Context, principal: CurrentPrincipal, task: FromPath[str]
) -> Response[Any]:
    """Send the newest diff of the task's branch against its base, as text/x-diff."""
    return await _sent(context, await _newest_diff(context, principal, task), {})


@get(
    "/v1/tasks/{task:str}/files",
    tags=_TAGS,
    summary="List a task's changed files",
    opt={"answers": (409,)},
)
async def get_files(context: Context, principal: CurrentPrincipal, task: FromPath[str]) -> FileList:
    """List the files of the newest diff, with the lines added and taken away; 404 before one.

    A diff beyond 4 MiB is cut by the worker; the files after the cut are not in the list.
    """
    kept = await _newest_diff(context, principal, task)
    if kept.blob.size_bytes > _MAX_DIFF_BYTES:
        raise refused(
            409,
            "diff_too_large",
            f"The diff is longer than {_MAX_DIFF_BYTES // 2**20} MiB, so its files are not listed. "
            "Read it at `/diff`.",
        )
    content = await read_verified(context.tasks.storage, kept.blob)
    return FileList(kept.artifact.version, await asyncio.to_thread(_files_in, content))


def _files_in(diff: bytes) -> list[ChangedFile]:
    return list(changed_files(diff.decode(errors="replace")))


async def _newest_diff(context: GatewayContext, principal: Principal, task: str) -> StoredArtifact:
    diffs = [k for k in await _kept(context, principal, task) if k.artifact.media_type == DIFF]
    if not diffs:
        raise not_found("diff")
    return max(diffs, key=lambda kept: kept.artifact.version)


async def _sent(context: GatewayContext, kept: StoredArtifact, headers: dict[str, str]) -> Stream:
    return await _send_object(context, kept.blob, kept.artifact.media_type, headers)


async def _send_object(
    context: GatewayContext, blob: Blob, media_type: str, headers: Mapping[str, str] | None = None
) -> Stream:
    return Stream(
        await open_verified(context.tasks.storage, blob),
        media_type=media_type,
        headers={**UNTRUSTED, **(headers or {}), "Content-Length": str(blob.size_bytes)},
    )


async def _kept(
    context: GatewayContext, principal: Principal, task: str
) -> Sequence[StoredArtifact]:
    history = await _own_history(context, principal, task)
    try:
        stored = await context.tasks.artifacts.get(history)
    except Unavailable:
        raise unavailable("The event log does not answer at the moment.") from None
    return list(stored.state.values())


async def _own_history(context: GatewayContext, principal: Principal, task: str) -> History:
    """Return the history of a task of the caller's account. Raises Refused (404)."""
    history = history_for(principal, task)
    if not await context.accounts.people.allowed(principal, TaskId(task)):
        raise not_found()
    return history


ROUTES = [list_artifacts, get_artifact, get_attachment, get_diff, get_files]
