"""The changes of a task's work as of any version: from the newest snapshot up to it.

A worker stores them with each snapshot (events.protocol.stored_changes), as the gateway has no
repository to compute them from.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from events import (
    GatewayEvent,
    History,
    Recorded,
    SnapshotTaken,
    ToolCompleted,
    ToolInterrupted,
    WorkspacePrepared,
)
from events.protocol.stored_changes import StoredChanges, decode_changes
from infra.log.event_log import EventLog, Unavailable
from services.gateway.problems import Refused, refused, unavailable
from services.gateway.queries.fold_cache import FoldCache
from services.gateway.stores.object_store import Storage
from services.gateway.stores.verified_content import is_sound, read_verified

_MAX_HISTORIES: Final = 200
_MAX_STORED_BYTES: Final = 16 * 1024 * 1024


class KeptSnapshot(NamedTuple):
    """A snapshot and its place in the history."""

    version: int
    at: datetime
    taken: SnapshotTaken


class Snapshots(msgspec.Struct, frozen=True):
    """A task's snapshots, oldest first, and the versions at which tool calls ended."""

    base: str = ""
    kept: tuple[KeptSnapshot, ...] = ()
    calls: tuple[int, ...] = ()


class WorkAt(NamedTuple):
    """The work as of a version; without a snapshot nothing has changed yet."""

    base: str
    snapshot: KeptSnapshot | None
    calls_since: int
    changes: StoredChanges


def fold_snapshots(known: Snapshots, events: Sequence[Recorded]) -> Snapshots:
    """Return the snapshots after further events. Pure."""
    base, kept, calls = known.base, list(known.kept), list(known.calls)
    for recorded in events:
        match recorded.event:
            case WorkspacePrepared(commit=commit):
                base = commit
            case SnapshotTaken() as taken:
                kept.append(KeptSnapshot(recorded.version, recorded.at, taken))
            case ToolCompleted() | ToolInterrupted():
                calls.append(recorded.version)
            case _:
                pass
    return Snapshots(base=base, kept=tuple(kept), calls=tuple(calls))


class WorkChangeQueries:
    """Answers what a task's work has changed."""

    def __init__(
        self, log: EventLog[GatewayEvent], storage: Storage, *, clock: Callable[[], datetime]
    ) -> None:
        self._storage = storage
        self._snapshots = FoldCache(
            log, fold_snapshots, empty=Snapshots(), clock=clock, max_histories=_MAX_HISTORIES
        )

    async def at(self, history: History, version: int | None) -> WorkAt:
        """Return the work as of a version, or as it is now.

        Raises Refused: 422 when the history has no such version, 404 when a snapshot has no
        changes stored, 409 when they are not what the history names, 503.
        """
        try:
            folded = await self._snapshots.get(history)
        except Unavailable:
            raise unavailable("The event log does not answer at the moment.") from None
        head = folded.head.version
        if version is not None and version > head:
            raise refused(422, "at_too_late", f"The history ends at version {head} as yet.")
        state = folded.state
        asked = head if version is None else version
        place = bisect_right(state.kept, asked, key=lambda each: each.version)
        snapshot = state.kept[place - 1] if place else None
        ended = bisect_right(state.calls, asked)
        since = ended - bisect_right(state.calls, snapshot.version if snapshot else 0)
        changes = await self._changes(history, snapshot) if snapshot else StoredChanges()
        return WorkAt(state.base, snapshot, since, changes)

    async def _changes(self, history: History, snapshot: KeptSnapshot) -> StoredChanges:
        blob = snapshot.taken.changes
        if blob is None:
            raise refused(
                404,
                "changes_not_stored",
                f"The snapshot at version {snapshot.version} is of an older worker, which stored "
                "no list of changes with it. The diff of the whole branch is at `/diff` once the "
                "work is delivered.",
            )
        if not is_sound(history.task, blob) or blob.size_bytes > _MAX_STORED_BYTES:
            raise _unreadable("it names no object of this task's own")
        content = await read_verified(self._storage, blob)
        try:
            return await asyncio.to_thread(decode_changes, content)
        except ValueError as error:
            raise _unreadable(str(error)) from None


def _unreadable(why: str) -> Refused:
    return refused(
        409, "changes_unreadable", f"What the worker stored is no list of changes: {why}."
    )
