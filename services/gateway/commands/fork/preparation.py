"""Preparation of a fork: what the new task begins from, found in the history of the other one.

The fork keeps what it needs as its own: the snapshot's pack is copied to its own objects and the
conversation into its first event. So it can be carried out, and erased, whatever becomes of the
task it came from; a worker reaches no objects but those of its own task.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from events import (
    Blob,
    ForkOrigin,
    GatewayEvent,
    History,
    Recorded,
    Repository,
    SnapshotTaken,
    TaskErased,
    TaskId,
    TaskSubmitted,
    WorkspacePrepared,
)
from events.protocol.api.requests import ForkRequest
from infra.log.event_log import EventLog, Unavailable
from infra.stores.object_keys import blob_key
from services.gateway.commands.fork.conversation import account_of
from services.gateway.problems import Refused, invalid, not_found, refused, unavailable
from services.gateway.stores.object_store import Storage
from services.gateway.stores.verified_content import is_sound, read_verified
from services.gateway.tasks.request_validation import SubmissionRules, fork_submission
from services.gateway.tasks.task import Submit

_MAX_PACK_BYTES: Final = 64 * 1024 * 1024
_MAX_COPIES: Final = 2
"""At once: each is held in memory."""


class PreparedFork(NamedTuple):
    """The submission of a fork, and the pack of the other task that it gets a copy of."""

    submission: Submit
    pack: Blob | None = None


class ForkPreparation:
    """Makes the submissions of forks, and copies the snapshots that they begin from."""

    def __init__(
        self, log: EventLog[GatewayEvent], storage: Storage, rules: SubmissionRules
    ) -> None:
        self._log = log
        self._storage = storage
        self._rules = rules
        self._turns = asyncio.Semaphore(_MAX_COPIES)

    async def prepare(
        self, request: ForkRequest, source: History, fork: TaskId, first: GatewayEvent | None
    ) -> PreparedFork:
        """Return the submission of a fork; `first` is the event it led to when asked for before.

        Then nothing is read, and the submission equals that event unless something else is asked
        for now. Raises Refused: 404 for no such task, 422 for a version that it has not, 409 when
        its snapshot is not what a worker stores, 503.
        """
        if isinstance(first, TaskSubmitted):
            origin = first.origin
            if origin is None or (origin.task, origin.version) != (source.task, request.at):
                origin = ForkOrigin(task=source.task, version=request.at)
            submission = fork_submission(request, first, self._rules)
            return PreparedFork(replace(submission, origin=origin))
        history = await self._read(source)
        submitted = history[0].event if history else None
        if not isinstance(submitted, TaskSubmitted) or isinstance(history[-1].event, TaskErased):
            raise not_found()
        past = history[: _length(history, request.at)]
        prepared, taken = _files_of(past)
        base = prepared.base if prepared else submitted.repository.base
        inherited = replace(submitted, repository=Repository(submitted.repository.url, base))
        submission = fork_submission(request, inherited, self._rules)
        origin = ForkOrigin(
            task=source.task,
            version=request.at,
            tree=taken.tree if taken else "",
            commit=prepared.commit if prepared else "",
            pack=_copy_of(source.task, taken.pack, fork) if taken else None,
            conversation=account_of(past),
        )
        return PreparedFork(replace(submission, origin=origin), taken.pack if taken else None)

    async def store(self, fork: PreparedFork | None) -> None:
        """Copy the pack that a fork begins from. Raises Refused (409) when it is gone."""
        origin = fork.submission.origin if fork else None
        if fork is None or fork.pack is None or origin is None or origin.pack is None:
            return
        async with self._turns:
            try:
                content = await read_verified(self._storage, fork.pack)
            except Refused as refusal:
                if refusal.problem.retryable:
                    raise
                raise _no_snapshot(refusal.problem.detail) from None
            await self._storage.put(origin.pack.key, content)

    async def _read(self, source: History) -> Sequence[Recorded]:
        try:
            return await self._log.read(source)
        except Unavailable:
            raise unavailable("The event log does not answer at the moment.") from None


def _length(history: Sequence[Recorded], version: int) -> int:
    """Return how many events there are up to a version. Raises Refused (422) for none such."""
    head = history[-1].version
    if not 1 <= version <= head:
        code = "at_too_late" if version > head else "out_of_range"
        raise invalid(code, "/at", f"The history has the versions 1 to {head} as yet.")
    return bisect_right(history, version, key=lambda recorded: recorded.version)


def _copy_of(source: TaskId, pack: Blob, fork: TaskId) -> Blob:
    """Name the copy of a pack among the fork's objects. Raises Refused (409)."""
    if not is_sound(source, pack) or pack.size_bytes > _MAX_PACK_BYTES:
        raise _no_snapshot("Its event names no object of that task.")
    key = blob_key(fork, f"snapshots/origin-{pack.sha256[:24]}.pack")
    return Blob(key, pack.size_bytes, pack.sha256)


def _files_of(
    history: Sequence[Recorded],
) -> tuple[WorkspacePrepared | None, SnapshotTaken | None]:
    """Return the base and the newest snapshot of a history. Pure."""
    prepared: WorkspacePrepared | None = None
    taken: SnapshotTaken | None = None
    for recorded in history:
        match recorded.event:
            case WorkspacePrepared() as event:
                prepared = prepared or event
            case SnapshotTaken() as event:
                taken = event
            case _:
                pass
    return prepared, taken


def _no_snapshot(why: str) -> Refused:
    return refused(
        409,
        "snapshot_lost",
        f"The files of that version cannot be had any more. {why} Fork from another version, or "
        "submit a new task.",
    )
