"""The history loop: keeps the read models in Postgres abreast of the log."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Never

import asyncpg
from prometheus_client import Counter, Gauge

from events import Recorded, TaskId
from infra.jetstream import JetStreamLog
from infra.task_state import TaskState, evolve
from infra.telemetry import logger, span
from services.projector import store
from services.projector.projections import PROJECTIONS, task
from services.projector.rows import fold

_CACHED_TASKS = 10_000
_RETRY_SECONDS = 0.5
_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it stops, starts, or ends our connection
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection ended in the middle of a transaction (asyncpg#784)
)

_applied = Counter("errand_projector_events", "Events applied to the read models.")
_position = Gauge("errand_projector_sequence", "The last sequence applied to the read models.")
_log = logger(__name__)


class WrongLog(Exception):
    """The checkpoint counts in another log than the one at hand; rebuild the read models."""


class HistoryLoop:
    """Applies the log to Postgres, batch by batch, from where the checkpoint stands.

    Postgres may go and come back: a batch whose commit is in doubt is said again, and is done when
    the checkpoint stands where it would have put it.
    """

    def __init__(self, log: JetStreamLog[Never], postgres_url: str) -> None:
        self._event_log = log
        self._postgres_url = postgres_url
        self._connection: asyncpg.Connection | None = None
        self._states: dict[TaskId, TaskState] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the log until told to stop. Raises WrongLog or store.Fenced."""
        try:
            sequence = await self._start(stopping)
            _log.info("history loop follows", after=sequence)
            async for batch in self._event_log.follow("history", after=sequence, until=stopping):
                with span("project", events=len(batch)):
                    await self._apply(batch, before=sequence)
                sequence = batch[-1].sequence
                _applied.inc(len(batch))
                _position.set(sequence)
        finally:
            await self._close()

    async def _start(self, stopping: asyncio.Event) -> int:
        """Tell where the checkpoint stands, once Postgres is there to say so."""
        while not stopping.is_set():
            try:
                return await self._checkpoint()
            except _LOST as error:
                await self._pause(error)
        return 0

    async def _checkpoint(self) -> int:
        created = (await self._event_log.info()).created
        checkpoint = await store.open_checkpoint(await self._connect(), created)
        info = await self._event_log.info()  # anew: another projector may have come this far
        if checkpoint.log_created != info.created or checkpoint.sequence > info.last_sequence:
            raise WrongLog(
                f"The read models stand at {checkpoint.sequence} of a log created "
                f"{checkpoint.log_created}; this log was created {info.created} and ends at "
                f"{info.last_sequence}. Drop schema `read` and start again to rebuild them."
            )
        return checkpoint.sequence

    async def _apply(self, batch: Sequence[Recorded], *, before: int) -> None:
        after = batch[-1].sequence
        is_in_doubt = False
        while True:
            try:
                connection = await self._connect()
                if is_in_doubt and await _is_at(connection, after):
                    _log.info("the batch had been committed, its answer was lost", sequence=after)
                    self._states.clear()  # they are older than what stands in Postgres
                    return
                states = await self._fold(connection, batch)
                rows = [row for recorded in batch for p in PROJECTIONS for row in p(recorded)]
                rows += [task.row(state) for state in states.values()]
                await store.apply(connection, fold(rows), before=before, after=after)
            except _LOST as error:
                is_in_doubt = True
                await self._pause(error)
            else:
                self._remember(states)
                return

    async def _fold(
        self, connection: asyncpg.Connection, batch: Sequence[Recorded]
    ) -> Mapping[TaskId, TaskState]:
        touched = {recorded.task for recorded in batch}
        states = {task: self._states[task] for task in touched if task in self._states}
        states |= await store.load_states(connection, touched - states.keys())
        for recorded in batch:
            state = evolve(states.get(recorded.task), recorded)
            if state is not None:
                states[recorded.task] = state
        return states

    def _remember(self, states: Mapping[TaskId, TaskState]) -> None:
        for name, state in states.items():
            self._states.pop(name, None)
            self._states[name] = state
        while len(self._states) > _CACHED_TASKS:
            del self._states[next(iter(self._states))]

    async def _connect(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._postgres_url, command_timeout=30)
        return self._connection

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=2)
            except _LOST:
                connection.terminate()

    async def _pause(self, error: Exception) -> None:
        _log.warning("postgres is away, trying again", error=repr(error))
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
        await asyncio.sleep(_RETRY_SECONDS)


async def _is_at(connection: asyncpg.Connection, sequence: int) -> bool:
    return (await store.load_checkpoint(connection)).sequence == sequence
