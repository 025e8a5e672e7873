"""Writers of one history that remember what they were promised, and the oracle that checks it."""

import asyncio
import random
from collections.abc import Sequence
from typing import NamedTuple

from events import NOWHERE, Draft, GatewayEvent, Head, History, event_subject
from infra.log.event_log import Conflict
from infra.log.jetstream import Connection, JetStreamLog
from infra.log.jetstream.read.decode import StoredMessage
from infra.log.jetstream.read.history import messages
from tests.kit.build.event_logs import drafts

PATIENCE_SECONDS = 60.0
"""Much longer than an election on a cluster takes, which is 4 to 9 s on an idle machine."""


class Promise(NamedTuple):
    """An append that was acknowledged."""

    history: History
    after: Head
    drafts: Sequence[Draft[GatewayEvent]]
    head: Head


class Writer:
    """Appends to its histories by turns, one event or a batch; a lost race is decided again."""

    def __init__(self, connection: Connection, *histories: History, seed: int = 0) -> None:
        self._log = JetStreamLog[GatewayEvent](connection, deadline_seconds=PATIENCE_SECONDS)
        self._histories = histories
        self._random = random.Random(seed)
        self._name = f"{connection.name} {seed}"
        self.promises: list[Promise] = []
        self.turned_away: list[Draft[GatewayEvent]] = []

    async def write(self, until: asyncio.Event) -> None:
        """Go on until told to stop."""
        number = 0
        while not until.is_set():
            number += 1
            history = self._histories[number % len(self._histories)]
            count = self._random.choice((1, 1, 1, 2, 3, 20))
            some = drafts(*(f"{self._name} {number}.{n}" for n in range(count)))
            head = await self._log.head(history)
            try:
                reached = await self._log.append(history, some, after=head)
            except Conflict:
                self.turned_away += some
            else:
                self.promises.append(Promise(history, head, some, reached))


async def require_linear(
    connection: Connection, promises: Sequence[Promise], turned_away: Sequence[Draft[GatewayEvent]]
) -> None:
    """Check what the log holds against what its writers were told.

    Versions are dense; what was acknowledged stands where the answer said, whole, once, and right
    behind the head it was decided upon; what was turned away stands nowhere.
    """
    log = JetStreamLog[GatewayEvent](connection, deadline_seconds=PATIENCE_SECONDS)
    for history in {promise.history for promise in promises}:
        events = await log.read(history)
        assert [r.version for r in events] == list(range(1, len(events) + 1))
        places = [NOWHERE, *(r.head for r in events)]
        taken: set[int] = set()
        for promise in (p for p in promises if p.history == history):
            versions = range(promise.after.version + 1, promise.head.version + 1)
            assert not taken.intersection(versions), "two were promised the same place"
            taken.update(versions)
            found = events[promise.after.version : promise.head.version]
            assert [r.id for r in found] == [d.id for d in promise.drafts]
            assert [r.event for r in found] == [d.event for d in promise.drafts]
            assert found[-1].head == promise.head
            assert places[promise.after.version] == promise.after, "an update was lost"
        stored = await raw(connection, history)
        ids = {draft.id.encode() for draft in turned_away}
        assert not [s for s in stored if any(i in s.body for i in ids)], "a refused event is there"


async def raw(connection: Connection, history: History) -> Sequence[StoredMessage]:
    """Everything stored on a history's subject, events or not."""
    subject = event_subject(history)
    return await messages(connection, subject, after=0, within_seconds=PATIENCE_SECONDS)
