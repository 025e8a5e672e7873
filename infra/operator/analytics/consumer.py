"""The consumer API: connect with read-only credentials, choose events, and read them one by one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Final

from events import Recorded
from infra.log.event_mac import EventKeys
from infra.log.jetstream import Connection, Selection, connect, replay

EVERYTHING: Final = Selection()


def event_log(
    nats_url: str, credentials: str | Path, *, name: str, keys: EventKeys
) -> AbstractAsyncContextManager[Connection]:
    """Connect to the log, as an asynchronous context manager.

    `credentials` is the path of a `.creds` file of the role analytics, `name` says who reads.
    `keys` prove who wrote an event: `event_keys(os.environ)` of infra.log.event_key_settings.
    Raises Unavailable when no server lets us in within 30 s.
    """
    return connect(nats_url, credentials=credentials, name=name, keys=keys)


async def follow_events(
    log: Connection,
    name: str,
    selection: Selection = EVERYTHING,
    *,
    until: asyncio.Event | None = None,
) -> AsyncGenerator[Recorded, None]:
    """Yield the selected events one by one, oldest first, without gap or repeat.

    Goes on as events come, unless `selection.up_to` is set, until `until` is set. To take up where
    one left off, keep the `sequence` of the last event dealt with and give it as
    `Selection(after=…)`. Close the generator (`contextlib.aclosing`) when leaving it early. Raises
    Unavailable when the connection ends for good, ApiError when the log may not be read.
    """
    async with aclosing(replay(log, name, selection, until=until)) as batches:
        async for batch in batches:
            for recorded in batch:
                yield recorded
