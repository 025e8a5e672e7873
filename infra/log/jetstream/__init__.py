"""Event log on NATS JetStream, and live messages beside it; the one importer of `nats`.

Callers: every service (`connect`, `JetStreamLog`), the worker (`AttemptLog`), the scheduler
(readers), the local stack (`provision`), and programs that read the log (`replay`).
"""

from infra.log.jetstream.admin.streams import provision, wait_for_stream
from infra.log.jetstream.connection.connection import Connection, connect
from infra.log.jetstream.connection.live import publish_live, subscribe_live
from infra.log.jetstream.log import JetStreamLog, LogInfo
from infra.log.jetstream.read.decode import follows
from infra.log.jetstream.read.replay import Selection, replay
from infra.log.jetstream.worker.attempt_log import AttemptLog
from infra.log.jetstream.worker.reader import (
    create_reader,
    delete_reader,
    recreate_reader,
)
from infra.log.jetstream.worker.verification import Verify

__all__ = [
    "AttemptLog",
    "Connection",
    "JetStreamLog",
    "LogInfo",
    "Selection",
    "Verify",
    "connect",
    "create_reader",
    "delete_reader",
    "follows",
    "provision",
    "publish_live",
    "recreate_reader",
    "replay",
    "subscribe_live",
    "wait_for_stream",
]
