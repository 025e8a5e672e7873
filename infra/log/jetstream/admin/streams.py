"""The two streams of Errand, and how they are created: `python -m infra.log.jetstream`."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from infra.log.event_log import Unavailable
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import (
    DEAD_LETTERS,
    MAX_EVENTS_PER_TASK,
    MAX_MESSAGE_BYTES,
    NANOSECONDS,
    STREAM,
    UNKNOWN_STREAM,
    ApiError,
)
from infra.log.jetstream.connection.connection import Connection, available, connect
from infra.runtime.telemetry import logger

_DAY_SECONDS: Final = 86_400
_RETRY_SECONDS: Final = 1.0
_ADVISORIES: Final = "$JS.EVENT.ADVISORY.CONSUMER"

_log = logger(__name__)

# As the API has them ($JS.API.STREAM.CREATE): nats-py's own type lacks newer fields.
_EVENTS_SETTINGS: Final[Mapping[str, Any]] = {
    "name": STREAM,
    "description": "Every fact of every task; one exact subject a task",
    "subjects": ["events.*.*"],
    "storage": "file",
    "retention": "limits",
    "discard": "new",
    "discard_new_per_subject": True,
    "max_msgs_per_subject": MAX_EVENTS_PER_TASK,
    "max_msg_size": MAX_MESSAGE_BYTES,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_consumers": -1,
    "duplicate_window": 120 * NANOSECONDS,
    "allow_direct": True,
    "allow_atomic": True,
    "deny_delete": True,
    # Not "s2": on nats-server 2.15.1 a replica killed in the middle of a block cannot truncate it
    # when it comes back ("s2: unsupported input"), holds no log any more, and after two such kills
    # there is no quorum (tests/guarantees, G1 and G5 on R3).
    "compression": "none",
}
_DEAD_LETTERS_SETTINGS: Final[Mapping[str, Any]] = {
    "name": DEAD_LETTERS,
    "description": "Events that a reader could not read, with the reason",
    "subjects": [
        "dead.*",
        f"{_ADVISORIES}.MAX_DELIVERIES.>",
        f"{_ADVISORIES}.MSG_TERMINATED.>",
    ],
    "storage": "file",
    "retention": "limits",
    "discard": "old",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 90 * _DAY_SECONDS * NANOSECONDS,
    "max_consumers": -1,
    "duplicate_window": 120 * NANOSECONDS,
    "allow_direct": True,
}


def ignore_wait(_reason: str) -> None:
    """Do nothing: the log line is enough."""


async def wait_for_stream(
    connection: Connection, on_wait: Callable[[str], None] = ignore_wait
) -> int:
    """Wait until the log's stream is there and has a leader; return its last sequence.

    Until then `on_wait` is called with the reason, whenever that changes. Raises Unavailable when
    the connection ends for good, ApiError for a refusal that will not pass.
    """
    said = ""
    available.set(0)
    while True:
        try:
            info = await api.stream_info(connection)
        except ApiError as refusal:
            if refusal.code != UNKNOWN_STREAM and not refusal.is_transient:
                raise
            reason = f"{refusal}. If it was never made, run `python -m infra.log.jetstream`."
        except Unavailable as error:
            connection.require_open()
            reason = str(error)
        else:
            available.set(1)
            return info.state.last_seq
        if reason != said:
            said = reason
            on_wait(reason)
            _log.warning("log.waiting", stream=STREAM, reason=reason)
        await asyncio.sleep(_RETRY_SECONDS)


async def provision(url: str, credentials: str | Path = "", *, replicas: int = 1) -> None:
    """Create both streams, or bring them to these settings; `credentials` are the operator's.

    Doing it again changes nothing. Raises ApiError when the server refuses a setting, Unavailable
    when there is no server.
    """
    async with connect(url, credentials=credentials, name="provision") as connection:
        for settings in (_EVENTS_SETTINGS, _DEAD_LETTERS_SETTINGS):
            await _create_or_update(connection, {**settings, "num_replicas": replicas})


async def _create_or_update(connection: Connection, settings: Mapping[str, Any]) -> None:
    """Create one stream or update it; settings this edition does not know are left as they are."""
    try:
        present = (await api.stream_info(connection, settings["name"])).config
    except ApiError as refusal:
        if refusal.code != UNKNOWN_STREAM:
            raise
        await api.create_stream(connection, settings)
        return
    wanted = {**present, **settings}
    if wanted != present:
        await api.update_stream(connection, wanted)
