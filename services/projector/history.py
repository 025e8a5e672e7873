"""The history loop: keeps the read models in Postgres abreast of the log."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Never

import asyncpg
from infra.jetstream import JetStreamLog
from prometheus_client import Counter, Gauge

from events import Recorded, TaskId
from infra.task_state import TaskState, evolve
from infra.telemetry import logger, span
from services.projector import store
from services.projector.projections import PROJECTIONS, task
from services.projector.rows import Row, fold

_CACHED_TASKS = 10_000
_RETRY_SECONDS = 0.5
_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
)

_applied = Counter("errand_projector_events", "Events applied to the read models.")
_position = Gauge("errand_projector_sequence", "The last sequence applied to the read models.")
_log = logger(__name__)


class WrongLog(Exception):
    """The checkpoint counts in another log than the one at hand; rebuild the read models."""


class HistoryLoop:
    """Applies the log to Postgres, batch by batch, from where the checkpoint stands.

    Postgres may go and come back: a batch whose commit is in doubt is checked against the
    checkpoint and applied again if it was not.
    """

    def __init__(self, log: JetStreamLog[Never], postgres_url: str) -> None:
        self._event_log = log
        self._postgres_url = postgres_url
        self._connection: asyncpg.Connection | None = None
        self._states: dict[TaskId, TaskState] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the log until told to stop. Raises WrongLog or store.Fenced."""
        sequence = await self._start()
        _log.info("history loop follows", after=sequence)
        try:
            async for batch in self._event_log.follow("history", after=sequence, until=stopping):
                with span("project", events=len(batch)):
                    await self._apply(batch, before=sequence)
                sequence = batch[-1].sequence
                _applied.inc(len(batch))
                _position.set(sequence)
        finally:
            if self._connection is not None:
                await self._connection.close(timeout=2)

    async def _start(self) -> int:
        info = await self._event_log.info()
        checkpoint = await store.open_checkpoint(await self._connect(), info.created)
        if checkpoint.log_created != info.created or checkpoint.sequence > info.last_sequence:
            raise WrongLog(
                f"The read models stand at {checkpoint.sequence} of a log created "
                f"{checkpoint.log_created}; this log was created {info.created} and ends at "
                f"{info.last_sequence}. Drop schema `read` and start again to rebuild them."
            )
        return checkpoint.sequence

    async def _apply(self, batch: Sequence[Recorded], *, before: int) -> None:
        after = batch[-1].sequence
        while True:
            try:
                connection = await self._connect()
                states = await self._fold(connection, batch)
                rows = [row for recorded in batch for p in PROJECTIONS for row in p(recorded)]
                rows += [task.row(state) for state in states.values()]
                await self._write(connection, rows, before=before, after=after)
            except _LOST as error:
                _log.warning("postgres is away, trying again", error=repr(error))
                await self._disconnect()
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._remember(states)
                return

    async def _write(
        self, connection: asyncpg.Connection, rows: Sequence[Row], *, before: int, after: int
    ) -> None:
        try:
            await store.apply(connection, fold(rows), before=before, after=after)
        except store.Fenced:
            info = await self._event_log.info()
            if (await store.open_checkpoint(connection, info.created)).sequence != after:
                raise
            _log.info("the batch had been committed, its answer was lost", sequence=after)

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

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
