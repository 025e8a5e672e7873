"""The artifacts a task has stored: of each name the newest."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from events import ArtifactStored, Blob, GatewayEvent, Recorded, TaskId
from events.protocol.api.tasks import Artifact
from infra.log.event_log import EventLog
from infra.stores.object_keys import is_artifact_name, served_media_type
from services.gateway.queries.fold_cache import FoldCache
from services.gateway.stores.verified_content import is_sound

_MAX_HISTORIES: Final = 500


class StoredArtifact(msgspec.Struct, frozen=True):
    """An artifact, and its object in the store."""

    artifact: Artifact
    blob: Blob


Artifacts = FoldCache[Mapping[str, StoredArtifact]]


def artifact_cache(log: EventLog[GatewayEvent], clock: Callable[[], datetime]) -> Artifacts:
    """Return a cache of tasks' artifacts."""
    return FoldCache(log, stored_artifacts, empty={}, clock=clock, max_histories=_MAX_HISTORIES)


def stored_artifacts(
    known: Mapping[str, StoredArtifact], events: Sequence[Recorded]
) -> Mapping[str, StoredArtifact]:
    """Return the artifacts after further events, by name, each name where it first came. Pure."""
    newest = dict(known)
    for recorded in events:
        event = recorded.event
        if not isinstance(event, ArtifactStored) or not _is_sound(recorded.task, event):
            continue
        artifact = Artifact(
            name=event.name,
            media_type=served_media_type(event.media_type),
            size_bytes=event.blob.size_bytes,
            sha256=event.blob.sha256,
            stored_at=recorded.at,
            version=recorded.version,
        )
        newest[event.name] = StoredArtifact(artifact, event.blob)
    return newest


def _is_sound(task: TaskId, event: ArtifactStored) -> bool:
    """Return whether the broker could have stored this; a worker writes the event itself."""
    return is_sound(task, event.blob) and is_artifact_name(event.name)
