"""Edits that a task's tools made to files, as recorded in its history."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from events import ArtifactStored, CallId, Recorded, ToolCompleted, ToolStarted

DIFF = "text/x-diff"


class Edit(msgspec.Struct, frozen=True):
    """One tool call that recorded what it changed: a unified diff, perhaps shortened."""

    version: int
    title: str
    diff: str


class StoredDiff(NamedTuple):
    """Diff of the whole branch against its base, stored as an artifact at a version."""

    version: int
    name: str


def edits(history: Sequence[Recorded]) -> list[Edit]:
    """Return the edits, oldest first. Changes made by shell commands are in no event."""
    titles: dict[CallId, str] = {}
    found = []
    for recorded in history:
        match recorded.event:
            case ToolStarted(call=call, title=title):
                titles[call] = title
            case ToolCompleted(call=call, diff=diff) if diff:
                found.append(Edit(recorded.version, titles.get(call, "an edit"), diff))
            case _:
                continue
    return found


def find_stored_diff(history: Sequence[Recorded]) -> StoredDiff | None:
    """Return the newest diff of the whole branch."""
    for recorded in reversed(history):
        event = recorded.event
        if isinstance(event, ArtifactStored) and event.media_type == DIFF:
            return StoredDiff(recorded.version, event.name)
    return None
