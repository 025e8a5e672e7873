"""The last message of many subjects at once: one question for hundreds of histories.

Any replica may answer (ADR-31, "multi-subject requests"), so the answer may be older than what
the leader has; it is never newer. For callers who look again soon.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from nats.aio.msg import Msg

from infra.log.event_log import Unavailable
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import DirectGet
from infra.log.jetstream.connection.client import raw_headers
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.read.decode import StoredMessage

MAX_SUBJECTS: Final = 500  # the server answers for 1,024 at most
_LAST: Final = "204"


async def last_messages(
    connection: Connection, subjects: Sequence[str], *, within_seconds: float
) -> dict[str, StoredMessage]:
    """Return the last message of each subject that has one. Raises Unavailable."""
    found: dict[str, StoredMessage] = {}
    async with _asking(connection) as (inbox, answers):
        for start in range(0, len(subjects), MAX_SUBJECTS):
            some = subjects[start : start + MAX_SUBJECTS]
            wanted = DirectGet(multi_last=some, batch=len(some))
            await api.send_direct_get(connection, wanted, reply=inbox)
            try:
                async with connection.wait_at_most(within_seconds):
                    await _gather(answers, found)
            except TimeoutError:
                raise Unavailable("NATS did not tell where the histories end.") from None
    return found


async def _gather(answers: "asyncio.Queue[Msg]", found: dict[str, StoredMessage]) -> None:
    """Take in one answer: a message a subject, closed by a status."""
    while True:
        message = await answers.get()
        headers = message.headers or {}
        status = headers.get("Status")
        if "Nats-Sequence" in headers:  # what is stored may claim to have a status too
            found[headers["Nats-Subject"]] = StoredMessage(
                int(headers["Nats-Sequence"]), message.data, raw_headers(message)
            )
        elif status in (_LAST, "404"):
            return
        else:
            raise Unavailable(f"NATS answers {status} {headers.get('Description', '')}.")


@asynccontextmanager
async def _asking(connection: Connection) -> AsyncIterator[tuple[str, "asyncio.Queue[Msg]"]]:
    """Listen on an inbox of one's own."""
    inbox, answers = connection.client.new_inbox(), asyncio.Queue[Msg]()

    async def receive(message: Msg) -> None:
        answers.put_nowait(message)

    subscription = await connection.client.subscribe(inbox, cb=receive)
    try:
        yield inbox, answers
    finally:
        if not connection.is_closed:
            await subscription.unsubscribe()
