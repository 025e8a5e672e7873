"""Stored messages read as events, with a reason where one cannot be read.

A history's events are dense, begin with a submission, and each is written by whoever may write its
type (infra.log.event_mac). A message that is no event, or stands at a version that is not the next,
or is not proven to be its writer's, is left out, logged, and counts neither as growth of the
history nor as a conflict.
"""

from typing import Final, NamedTuple

import msgspec

from events import GatewayEvent, Recorded, TaskErased, TaskSubmitted, history_of
from events.codec import decode
from infra.log.event_mac import NO_KEYS, SIGNED_KINDS, Proofs
from infra.log.jetstream.connection.api import MAX_MESSAGE_BYTES
from infra.runtime.telemetry import logger

_MAX_ALARMS: Final = 20

_log = logger(__name__)


class StoredMessage(NamedTuple):
    """A message on one history's subject: its place in the stream, its bytes, its raw headers."""

    sequence: int
    body: bytes
    headers: bytes = b""


class InvalidEvent(Exception):
    """A stored message is not an event. The text says why."""


class ForgedEvent(InvalidEvent):
    """A stored message claims to be the control plane's, and is not. The text says why."""


def read_event(
    subject: str, sequence: int, body: bytes, *, headers: bytes = b"", proofs: Proofs = NO_KEYS
) -> Recorded:
    """Read a stored message of any history. Raises InvalidEvent, ForgedEvent.

    The type that counts is the body's: what the headers say of it may be a lie.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        raise InvalidEvent(f"it is {len(body)} bytes long; the most is {MAX_MESSAGE_BYTES}")
    try:
        recorded = decode(history_of(subject), sequence, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise InvalidEvent(str(error)) from error
    if type(recorded.event) in SIGNED_KINDS:
        _require_proof(subject, recorded, headers, proofs)
    return recorded


def _require_proof(subject: str, recorded: Recorded, headers: bytes, proofs: Proofs) -> None:
    if objection := proofs.objection(subject, recorded, headers):
        tag = recorded.event.__struct_config__.tag
        raise ForgedEvent(f"forged or tampered with: it says {tag}, and {objection}")
    if isinstance(recorded.event, TaskSubmitted) and recorded.version != 1:
        raise InvalidEvent(f"task.submitted stands at version {recorded.version}, and not at 1")


def follows(version: int, recorded: Recorded) -> bool:
    """Return whether an event may stand in its history after `version`, 0 for none.

    Versions are dense, but for an erasure: `task.erased` is what is left of the events before it,
    so a reader may meet it ahead of its turn. A history is begun by the gateway, at version 1.
    """
    if isinstance(recorded.event, TaskErased):
        return recorded.version > version
    is_next = recorded.version == version + 1
    return is_next and (version > 0 or isinstance(recorded.event, GatewayEvent))


def log_invalid_event(subject: str, sequence: int, error: InvalidEvent) -> None:
    """Log a message that is left out."""
    _log.error(
        "event.forged" if isinstance(error, ForgedEvent) else "event.invalid",
        subject=subject,
        sequence=sequence,
        reason=str(error),
    )


class HistoryDecoder:
    """Reads one history's messages, handed over in order, and keeps out what is no next event."""

    def __init__(self, subject: str, version: int = 0, *, proofs: Proofs) -> None:
        self._subject = subject
        self._proofs = proofs
        self._alarms = 0
        self.version = version

    def admit(self, stored: StoredMessage) -> Recorded | None:
        """Read the next message; None when it is not the history's next event."""
        try:
            recorded = read_event(
                self._subject,
                stored.sequence,
                stored.body,
                headers=stored.headers,
                proofs=self._proofs,
            )
            self._require_next(recorded)
        except InvalidEvent as error:
            self._alarm(stored.sequence, error)
            return None
        self.version = recorded.version
        return recorded

    def _alarm(self, sequence: int, error: InvalidEvent) -> None:
        """Log what is left out; of thousands the first few, for each reading meets them again."""
        self._alarms += 1
        if self._alarms <= _MAX_ALARMS:
            log_invalid_event(self._subject, sequence, error)

    def _require_next(self, recorded: Recorded) -> None:
        if not follows(self.version, recorded):
            raise InvalidEvent(f"version {recorded.version} follows {self.version}")
