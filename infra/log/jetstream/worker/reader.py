"""The reader of an attempt: the one consumer from which its worker may pull.

Caller: the scheduler, which creates it before the machine, recreates it when a worker's heartbeat
asks for that, and deletes it when the attempt is over. It starts at the history's first event,
lives in the server's memory and is gone after a restart.
"""

from typing import Final

from events import History, event_subject
from events.protocol.readers import reader_name
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import NANOSECONDS, ConsumerConfig
from infra.log.jetstream.connection.connection import Connection

_IDLE_SECONDS: Final = 3600


async def create_reader(connection: Connection, history: History, attempt: int) -> str:
    """Make the reader of an attempt and return its name; one that exists is left as it is.

    Raises Unavailable when the log does not answer, ApiError when it refuses.
    """
    name, subject = reader_name(history.task, attempt), event_subject(history)
    config = ConsumerConfig(
        name=name,
        durable_name=name,
        description=f"attempt {attempt} of {history.task}",
        filter_subject=subject,
        deliver_policy="all",
        inactive_threshold=_IDLE_SECONDS * NANOSECONDS,
    )
    await api.create_consumer(connection, config)
    return name


async def delete_reader(connection: Connection, history: History, attempt: int) -> None:
    """Delete the reader of an attempt; it is no error when it is gone. Raises Unavailable."""
    await api.delete_consumer(connection, reader_name(history.task, attempt))


async def recreate_reader(connection: Connection, history: History, attempt: int) -> str:
    """Recreate the reader, so that it delivers from the first event again; return its name."""
    await delete_reader(connection, history, attempt)
    return await create_reader(connection, history, attempt)
