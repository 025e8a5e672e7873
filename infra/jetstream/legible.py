"""Stored messages read as events, with a reason where one cannot be read.

A history's events must be dense (events.md §3). A message that is no event, or stands at a version
that is not the next, was written by somebody who does not keep the rules: it is left out, logged,
and counts neither as growth of the history nor as a conflict.
"""

from typing import NamedTuple

import msgspec

from events import Recorded, TaskErased, history_of
from events.codec import decode
from infra.jetstream.streams import MAX_MESSAGE_BYTES
from infra.telemetry import logger

_log = logger(__name__)


class Stored(NamedTuple):
    """A message on one history's subject: its place in the stream, and its bytes."""

    sequence: int
    body: bytes


class Illegible(Exception):
    """A stored message is not an event. The text says why."""


def read_event(subject: str, sequence: int, body: bytes) -> Recorded:
    """Read a stored message of any history. Raises Illegible."""
    if len(body) > MAX_MESSAGE_BYTES:
        raise Illegible(f"it is {len(body)} bytes long; the most is {MAX_MESSAGE_BYTES}")
    try:
        return decode(history_of(subject), sequence, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise Illegible(str(error)) from error


def follows(version: int, recorded: Recorded) -> bool:
    """Tell whether an event may stand in its history after `version`, 0 for none.

    Versions are dense, but for an erasure: `task.erased` is what is left of the events before it.
    So the first event may stand anywhere, and a reader may meet `task.erased` ahead of its turn.
    """
    if recorded.version < 1 or not version:
        return recorded.version >= 1
    is_next = recorded.version == version + 1
    return is_next or (isinstance(recorded.event, TaskErased) and recorded.version > version)


class Sieve:
    """Reads one history's messages, handed over in order, and keeps out what is no next event."""

    def __init__(self, subject: str, version: int = 0) -> None:
        self._subject = subject
        self.version = version

    def admit(self, stored: Stored) -> Recorded | None:
        """Read the next message; None when it is not the history's next event."""
        try:
            recorded = read_event(self._subject, stored.sequence, stored.body)
            self._require_next(recorded)
        except Illegible as error:
            _log.error(
                "not an event",
                subject=self._subject,
                sequence=stored.sequence,
                reason=str(error),
            )
            return None
        self.version = recorded.version
        return recorded

    def _require_next(self, recorded: Recorded) -> None:
        if not follows(self.version, recorded):
            raise Illegible(f"version {recorded.version} follows {self.version}")
