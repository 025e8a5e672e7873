"""Taking a history out of the log, but for what follows the erasure.

A purge makes messages unreadable by every API at once, but nats-server 2.15.1 leaves their bytes in
the block file until that block is rewritten, which may be never (docs/operate/operations.md has
what was tried). A delete overwrites the bytes on disk at once, in compressed blocks too, and is
refused where the stream has `deny_delete`. So what may be overwritten is, and the answer says
whether it was. Caller: `errand erase`.
"""

import re
from contextlib import aclosing
from typing import Final, NamedTuple

from events import NOWHERE, Head, History, TaskId, event_subject, history_of
from infra.log.event_mac import Proofs
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import MAX_EVENTS_PER_TASK, STREAM
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.read import history as reading
from infra.log.jetstream.read.decode import HistoryDecoder, InvalidEvent, StoredMessage, read_event

_ID: Final = re.compile(r"[a-z0-9_]{1,128}")
_READ_SECONDS: Final = 60.0
_PURGE_SECONDS: Final = 60.0


class Purged(NamedTuple):
    """The number of messages removed, and whether their bytes were overwritten on disk."""

    messages: int
    is_overwritten: bool


async def find_history(connection: Connection, task: TaskId) -> History | None:
    """Find whose task it is; None when the log holds nothing of it. Raises Unavailable, ApiError.

    For the operator, who knows the task and not its account. Text that is no id, as a wildcard
    would be, is nobody's task.
    """
    if not _ID.fullmatch(task):
        return None
    info = await api.stream_info(connection, subjects_filter=f"events.*.{task}")
    subjects = info.state.subjects or {}
    return history_of(min(subjects)) if subjects else None


async def purge_before(connection: Connection, history: History, sequence: int) -> Purged:
    """Take all messages of a history below a sequence out of the log.

    Raises Unavailable, ApiError; said again it goes on where it was.
    """
    subject = event_subject(history)
    is_overwritten = not (await api.stream_info(connection)).config.get("deny_delete", False)
    overwritten = await _overwrite(connection, subject, sequence) if is_overwritten else 0
    purged = await api.purge_subject(
        connection, subject, below=sequence, within_seconds=_PURGE_SECONDS
    )
    return Purged(overwritten + purged, is_overwritten)


class HistoryCapacity:
    """Room for one more message in a history that is full, for its tombstone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def is_full(self, history: History) -> bool:
        """Return whether a history takes nothing more. Raises Unavailable."""
        count = await reading.count(
            self._connection, event_subject(history), within_seconds=_READ_SECONDS
        )
        return count >= MAX_EVENTS_PER_TASK

    async def make(self, history: History, head: Head) -> None:
        """Take out what stands before the newest event, which stays: no history becomes empty.

        Raises Unavailable, ApiError.
        """
        await purge_before(self._connection, history, head.sequence)

    async def remaining_head(self, history: History) -> Head:
        """Return where a history ends whose beginning is gone; NOWHERE when it holds no event.

        So an erasure that broke off after `make` goes on where it was. Raises Unavailable.
        """
        head, sieve = NOWHERE, None
        subject, proofs = event_subject(history), self._connection.keys
        pages = reading.pages(self._connection, subject, after=0, within_seconds=_READ_SECONDS)
        async with aclosing(pages):
            async for page in pages:
                for stored in page:
                    sieve = sieve or _beginning_at(subject, stored, proofs)
                    recorded = sieve and sieve.admit(stored)
                    head = recorded.head if recorded else head
        return head


def _beginning_at(subject: str, stored: StoredMessage, proofs: Proofs) -> HistoryDecoder | None:
    """Make what reads a history from this message on; None when it is no event."""
    try:
        recorded = read_event(
            subject, stored.sequence, stored.body, headers=stored.headers, proofs=proofs
        )
    except InvalidEvent:
        return None
    return HistoryDecoder(subject, recorded.version - 1, proofs=proofs)


async def _overwrite(connection: Connection, subject: str, sequence: int) -> int:
    """Delete one by one: each is overwritten with noise and synced, on every replica."""
    stored = await reading.messages(connection, subject, after=0, within_seconds=_READ_SECONDS)
    places = [message.sequence for message in stored if message.sequence < sequence]
    for place in places:
        await api.delete_message(connection, STREAM, place)
    return len(places)
