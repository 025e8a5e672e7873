"""The event log on NATS JetStream, and what is said beside it; the one importer of `nats`.

Callers: every service (`connect`, `JetStreamLog`), the worker (`AttemptLog`), the scheduler
(readers), the embedded stack (`provision`), whoever reads from outside (`replay`). Measured
behaviour that is built on: events.md §2.
"""

from infra.jetstream.attempt_log import AttemptLog
from infra.jetstream.connection import Connection, connect
from infra.jetstream.legible import follows
from infra.jetstream.live import hear, say
from infra.jetstream.log import JetStreamLog, LogInfo
from infra.jetstream.reader import create_reader, delete_reader, reader_name, recreate_reader
from infra.jetstream.replay import Selection, replay
from infra.jetstream.streams import provision, wait_for_stream
from infra.jetstream.verification import SignedEvent, Verify

__all__ = [
    "AttemptLog",
    "Connection",
    "JetStreamLog",
    "LogInfo",
    "Selection",
    "SignedEvent",
    "Verify",
    "connect",
    "create_reader",
    "delete_reader",
    "follows",
    "hear",
    "provision",
    "reader_name",
    "recreate_reader",
    "replay",
    "say",
    "wait_for_stream",
]
