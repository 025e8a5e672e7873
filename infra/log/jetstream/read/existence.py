"""A check that a history exists: by its first and last message, however long it is."""

from contextlib import aclosing

from events import History, Recorded, TaskErased, event_subject
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.read import history as reading
from infra.log.jetstream.read.decode import HistoryDecoder, InvalidEvent, StoredMessage, read_event


async def exists(connection: Connection, history: History, *, within_seconds: float) -> bool:
    """Return whether a history has begun and is not erased. Raises Unavailable, ApiError.

    An erasure begins with its last event, and in the end that is its first.
    """
    subject = event_subject(history)
    last = await reading.last_message(connection, subject, within_seconds=within_seconds)
    if last is None or _is_erasure(connection, subject, last):
        return False
    first = await _first_event(connection, subject, within_seconds)
    return first is not None and not isinstance(first.event, TaskErased)


def _is_erasure(connection: Connection, subject: str, stored: StoredMessage) -> bool:
    try:
        recorded = read_event(
            subject,
            stored.sequence,
            stored.body,
            headers=stored.headers,
            proofs=connection.keys,
        )
    except InvalidEvent:
        return False
    return isinstance(recorded.event, TaskErased)


async def _first_event(
    connection: Connection, subject: str, within_seconds: float
) -> Recorded | None:
    """Return a history's first event. What is no event before it is passed over."""
    sieve = HistoryDecoder(subject, proofs=connection.keys)
    first = await reading.first_message(connection, subject, within_seconds=within_seconds)
    if first is None:
        return None
    if (event := sieve.admit(first)) is not None:
        return event
    pages = reading.pages(connection, subject, after=first.sequence, within_seconds=within_seconds)
    async with aclosing(pages):
        async for page in pages:
            for stored in page:
                if (event := sieve.admit(stored)) is not None:
                    return event
    return None
