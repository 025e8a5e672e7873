"""What a task left behind: artifacts by name, and the diff of its work."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Stream

from events import ArtifactStored, History, TaskId
from infra.event_log import Unavailable
from services.gateway.access import Principal, history_for
from services.gateway.changed_files import ChangedFile, changed_files
from services.gateway.house import House
from services.gateway.problems import not_found, unavailable
from services.gateway.routes.asking import TheHouse, ThePerson

DIFF: Final = "text/x-diff"
_TAGS: Final = ["artifacts"]
# The content is the agent's: never shown as a page of ours.
_UNTRUSTED: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


class Artifact(msgspec.Struct, frozen=True):
    """Something kept under a name. `sha256` is of its bytes, in hexadecimal."""

    name: FromPath[str]
    media_type: str
    size_bytes: int
    sha256: str
    stored_at: datetime
    version: int


class ArtifactList(msgspec.Struct, frozen=True):
    """A task's artifacts, oldest first; of each name the newest."""

    data: list[Artifact]


class FileList(msgspec.Struct, frozen=True):
    """The files of a task's newest diff, in its order; `version` is the diff's."""

    version: int
    data: list[ChangedFile]


class _Kept(msgspec.Struct, frozen=True):
    artifact: Artifact
    key: str


@get("/v1/tasks/{task:str}/artifacts", tags=_TAGS, summary="What a task left behind")
async def list_artifacts(
    house: TheHouse, principal: ThePerson, task: FromPath[str]
) -> ArtifactList:
    """List a task's artifacts."""
    return ArtifactList([kept.artifact for kept in await _kept(house, principal, task)])


@get(
    "/v1/tasks/{task:str}/artifacts/{name:path}",
    tags=_TAGS,
    summary="One artifact's bytes",
    opt={"content": {"*/*": {}}},
)
async def get_artifact(
    house: TheHouse, principal: ThePerson, task: FromPath[str], name: FromPath[str]
) -> Response[Any]:
    """Send an artifact's bytes, for saving."""
    wanted = name.lstrip("/")
    for kept in await _kept(house, principal, task):
        if kept.artifact.name == wanted:
            return await _sent(house, kept, {"Content-Disposition": "attachment"})
    raise not_found("artifact")


@get(
    "/v1/tasks/{task:str}/diff",
    tags=_TAGS,
    summary="The diff of a task's work",
    opt={"content": {DIFF: {"type": "string"}}},
)
async def get_diff(house: TheHouse, principal: ThePerson, task: FromPath[str]) -> Response[Any]:
    """Send the newest diff of the task's branch against its base, as text/x-diff."""
    return await _sent(house, await _newest_diff(house, principal, task), {})


@get("/v1/tasks/{task:str}/files", tags=_TAGS, summary="The files a task changed")
async def get_files(house: TheHouse, principal: ThePerson, task: FromPath[str]) -> FileList:
    """List the files of the newest diff, with the lines added and taken away; 404 before one.

    A diff beyond 4 MiB is cut by the worker; the files after the cut are not in the list.
    """
    kept = await _newest_diff(house, principal, task)
    stored = await house.storage.get(kept.key)
    content = b"".join([part async for part in stored.content])
    return FileList(kept.artifact.version, list(changed_files(content.decode(errors="replace"))))


async def _newest_diff(house: House, principal: Principal, task: str) -> _Kept:
    diffs = [k for k in await _kept(house, principal, task) if k.artifact.media_type == DIFF]
    if not diffs:
        raise not_found("diff")
    return max(diffs, key=lambda kept: kept.artifact.version)


async def _sent(house: House, kept: _Kept, headers: dict[str, str]) -> Stream:
    stored = await house.storage.get(kept.key)
    return Stream(
        stored.content,
        media_type=kept.artifact.media_type,
        headers={**_UNTRUSTED, **headers, "Content-Length": str(stored.size_bytes)},
    )


async def _kept(house: House, principal: Principal, task: str) -> Sequence[_Kept]:
    history = history_for(principal, task)
    if not await house.people.allowed(principal, TaskId(task)):
        raise not_found()
    newest: dict[str, _Kept] = {}
    for recorded in await _read(house, history):
        if isinstance(recorded.event, ArtifactStored):
            event = recorded.event
            artifact = Artifact(
                name=event.name,
                media_type=event.media_type,
                size_bytes=event.blob.size_bytes,
                sha256=event.blob.sha256,
                stored_at=recorded.at,
                version=recorded.version,
            )
            if event.blob.key.startswith(f"tasks/{history.task}/"):  # a worker may say any key
                newest[event.name] = _Kept(artifact, event.blob.key)
    return list(newest.values())


async def _read(house: House, history: History) -> Sequence[Any]:
    try:
        return await house.log.read(history)
    except Unavailable:
        raise unavailable("The event log does not answer at the moment.") from None


ROUTES = [list_artifacts, get_artifact, get_diff, get_files]
