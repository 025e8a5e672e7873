"""Erasing a task: everything it left goes, but for one event that says so.

The tombstone comes first, as the next version: nobody ever sees an empty history, a writer who was
about to append meets a Conflict, and an erasure that broke off is found and finished. Then what
stood before it is taken out of the log, the dead letters and the object store, and the archive's
key destroyed. The projector drops its rows and the live state when it reads the tombstone.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import reduce
from typing import Final, Protocol

import asyncpg
import msgspec

from events import (
    Head,
    History,
    MachineDestroyed,
    MachineLost,
    MachineRefused,
    MachineRequested,
    OperatorEvent,
    Recorded,
    TaskErased,
    TaskId,
    event_subject,
)
from events.protocol.task_state import ENDED, TaskState, evolve
from infra.log.event_log import Conflict
from infra.log.jetstream import Connection, JetStreamLog
from infra.log.jetstream.admin.erasure import HistoryCapacity, find_history, purge_before
from infra.log.jetstream.dead_letters.letters import dead_letters_of, forget
from infra.operator.task_keys import Vault
from infra.runtime.clock import DraftFactory
from infra.stores.object_store import Bucket

_LOOK_SECONDS: Final = 0.25
_ROWS: Final = "SELECT 1 FROM read.task WHERE task = $1"


class NotErasable(Exception):
    """The task cannot be erased now. The text says why and what to do."""


class LiveStates(Protocol):
    """The live states in Redis."""

    async def forget(self, task: TaskId) -> None:
        """Drop a task's state."""
        ...


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an erasure: what was removed from where.

    `is_overwritten` says whether the events' bytes were overwritten in the log's files, and
    `is_projected` whether the read models had followed when this was written.
    """

    version: int
    events: int
    is_overwritten: bool
    letters: int
    objects: int
    keys: int
    is_projected: bool


class Erasing:
    """Erases tasks. `wait_seconds` is how long it waits for a machine to go, and for rows to."""

    def __init__(
        self,
        connection: Connection,
        *,
        objects: Bucket,
        vault: Vault,
        live: LiveStates,
        postgres_url: str,
        draft_factory: DraftFactory,
        wait_seconds: float = 30.0,
    ) -> None:
        self._connection = connection
        self._log = JetStreamLog[OperatorEvent](connection, deadline_seconds=60)
        self._room = HistoryCapacity(connection)
        self._objects = objects
        self._vault = vault
        self._live = live
        self._postgres_url = postgres_url
        self._draft_factory = draft_factory
        self._wait_seconds = wait_seconds

    async def erase(self, task: TaskId, reason: str) -> Erased:
        """Erase a task; said again it finishes what broke off. Raises NotErasable, Unavailable."""
        history = await find_history(self._connection, task)
        if history is None:
            raise NotErasable(f"The log holds nothing of {task}. `errand list` shows which are.")
        tombstone = await self._tombstone(history, reason)
        async with self._vault.alone():
            purged = await purge_before(self._connection, history, tombstone.sequence)
            keys = await self._vault.destroy(task)
        dropped = await self._drop_letters(history)
        objects = await self._objects.keys(f"tasks/{task}/")
        await self._objects.delete(objects)
        await self._live.forget(task)
        return Erased(
            version=tombstone.version,
            events=purged.messages,
            is_overwritten=purged.is_overwritten,
            letters=dropped,
            objects=len(objects),
            keys=keys,
            is_projected=await self._is_projected(task),
        )

    async def _tombstone(self, history: History, reason: str) -> Head:
        """Append `task.erased`, unless it is the last event already.

        A full history takes no end and no tombstone, so it is not waited for: what stands before
        its newest event goes first. The tombstone ends its machine.
        """
        while True:
            is_full = await self._room.is_full(history)
            events = await (self._log.read(history) if is_full else self._ended(history))
            if events and isinstance(events[-1].event, TaskErased):
                return events[-1].head
            head = events[-1].head if events else await self._room.remaining_head(history)
            if is_full:
                await self._room.make(history, head)
            drafts = self._draft_factory.drafts([TaskErased(reason=reason)], by="operator")
            with suppress(Conflict):  # it has grown: look again
                return await self._log.append(history, drafts, after=head)

    async def _ended(self, history: History) -> Sequence[Recorded]:
        """Read the history once its task has ended and its machine is gone."""
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        while True:
            events = await self._log.read(history)
            state = reduce(evolve, events, _NOTHING)
            if state is not None and state.phase not in ENDED:
                raise NotErasable(
                    f"{history.task} is {state.phase}. `errand cancel {history.task}` ends it."
                )
            if not has_machine(events):
                return events
            if asyncio.get_running_loop().time() > deadline:
                raise NotErasable(
                    f"The machine of {history.task} is not gone yet. Does the scheduler run?"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _drop_letters(self, history: History) -> int:
        """Delete what any reader parked of this history."""
        own = await dead_letters_of(self._connection, event_subject(history))
        for letter in own:
            await forget(self._connection, letter)
        return len(own)

    async def _is_projected(self, task: TaskId) -> bool:
        """Wait until the read models have no row of the task, for a while."""
        connection = await asyncpg.connect(self._postgres_url)
        try:
            deadline = asyncio.get_running_loop().time() + self._wait_seconds
            while asyncio.get_running_loop().time() < deadline:
                if not await _has_rows(connection, task):
                    return True
                await asyncio.sleep(_LOOK_SECONDS)
            return False
        finally:
            await connection.close()


_NOTHING: TaskState | None = None


def has_machine(events: Sequence[Recorded]) -> bool:
    """Return whether a machine that was asked for may still be there."""
    is_there = False
    for recorded in events:
        match recorded.event:
            case MachineRequested():
                is_there = True
            case MachineDestroyed() | MachineLost() | MachineRefused():
                is_there = False
            case _:
                pass
    return is_there


async def _has_rows(connection: asyncpg.Connection, task: TaskId) -> bool:
    try:
        return await connection.fetchval(_ROWS, task) is not None
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return False  # being rebuilt, from a log that no longer holds the task
