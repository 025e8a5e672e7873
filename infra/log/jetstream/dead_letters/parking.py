"""The handling of messages that are not events: report, count, and park a few per task.

A worker that was taken over can write thousands of them. So each reader parks MAX_LETTERS of a
task, then one that says that no more of the task are parked, and from there on only counts.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

import prometheus_client

from events import history_of
from infra.log.event_log import Unavailable
from infra.log.invalid_message import InvalidMessage
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.dead_letters.letters import park_message
from infra.log.jetstream.read.decode import ForgedEvent, InvalidEvent
from infra.runtime.telemetry import logger

MAX_LETTERS: Final = 20
"""Of one task and one reader, while the reader's process lives; one more says so."""

_INVALID: Final = prometheus_client.Counter(
    "errand_invalid_messages", "Messages in the log that are not events", ["reader"]
)
_NOT_PARKED: Final = prometheus_client.Counter(
    "errand_invalid_messages_not_parked",
    "Messages that are not events and were only counted, for their task has enough dead letters",
    ["reader"],
)
_WAITS: Final = prometheus_client.Counter(
    "errand_dead_letter_waits",
    "Times that a reader waited because a dead letter could not be stored",
    ["reader"],
)
_FORGED: Final = prometheus_client.Counter(
    "errand_forged_events",
    "Messages in the log that claim to be the control plane's and are not",
    ["reader"],
)

_log = logger(__name__)

OnInvalid = Callable[[InvalidMessage], None]


def ignore(_message: InvalidMessage) -> None:
    """Do nothing: the message is in the dead letters, and in the log of this process."""


class InvalidMessages:
    """Handles what the followers of one log cannot read."""

    def __init__(self, connection: Connection, *, deadline_seconds: float) -> None:
        self._connection = connection
        self._deadline_seconds = deadline_seconds
        self._counts: Counter[tuple[str, str]] = Counter()
        self.on_invalid: OnInvalid = ignore

    async def handle(self, reader: str, delivered: DeliveredMessage, error: InvalidEvent) -> None:
        """Report a message, then park it unless its task has enough letters.

        Waits for dead letters that cannot be stored. Raises Unavailable when the connection has
        ended for good.
        """
        self._report(reader, delivered, error)
        self._counts[reader, delivered.subject] += 1
        count = self._counts[reader, delivered.subject]
        if count > MAX_LETTERS + 1:
            _NOT_PARKED.labels(reader=reader).inc()
            return
        reason = str(error)
        if count > MAX_LETTERS:
            reason = (
                f"{MAX_LETTERS} messages of this task are parked already; this is the last, and "
                f"those behind it are only counted (errand_invalid_messages): {reason}"
            )
        await self._park(reader, delivered, reason)

    async def _park(self, reader: str, delivered: DeliveredMessage, reason: str) -> None:
        while True:
            try:
                return await park_message(
                    self._connection,
                    reader,
                    delivered,
                    reason=reason,
                    deadline_seconds=self._deadline_seconds,
                )
            except Unavailable as trouble:
                self._connection.require_open()
                _WAITS.labels(reader=reader).inc()
                _log.warning("dead_letter.waiting", reader=reader, reason=str(trouble))

    def _report(self, reader: str, delivered: DeliveredMessage, error: InvalidEvent) -> None:
        """Count it, raise the alarm if it is forged, and tell who asked to be told."""
        _INVALID.labels(reader=reader).inc()
        is_forged = isinstance(error, ForgedEvent)
        if is_forged:
            _FORGED.labels(reader=reader).inc()
            _log.error(
                "event.forged",
                subject=delivered.subject,
                sequence=delivered.sequence,
                reason=str(error),
            )
        self.on_invalid(
            InvalidMessage(
                history=history_of(delivered.subject),
                sequence=delivered.sequence,
                size_bytes=len(delivered.body) + len(delivered.headers),
                reason=str(error),
                is_forged=is_forged,
            )
        )
