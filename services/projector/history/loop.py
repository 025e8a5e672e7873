"""The history loop: writes the log to the read models in Postgres."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Final, Never

import asyncpg
from prometheus_client import Counter, Gauge

from events.protocol import readers
from infra.log.event_log import Unavailable
from infra.log.jetstream import JetStreamLog
from infra.log.jetstream.connection.api import ApiError
from infra.runtime.telemetry import logger
from infra.stores.postgres.errors import PostgresUnavailable
from infra.stores.postgres.reconnecting import RETRY_SECONDS
from services.projector.history.batch_writer import BatchWriter
from services.projector.history.store import (
    AnotherProjectorActive,
    Checkpoint,
    CheckpointMoved,
    Store,
)

_applied = Counter("errand_projector_events", "Events applied to the read models.")
_position = Gauge("errand_projector_sequence", "The last sequence taken for the read models.")
_standby = Gauge("errand_projector_standby", "Whether another projector works and this one waits.")
_STANDBY_SECONDS: Final = 1.0

_log = logger(__name__)


class WrongLog(Exception):
    """Raised when the checkpoint belongs to another log than this one; rebuild the read models."""


class HistoryLoop:
    """Applies the log to Postgres, batch by batch, from the checkpoint on.

    Postgres may go and come back: a batch whose commit is in doubt is written again; it is done
    when the checkpoint stands where it would have put it.
    """

    def __init__(self, log: JetStreamLog[Never], postgres_url: str) -> None:
        self._event_log = log
        self._store = Store(postgres_url, is_exclusive=True)
        self.is_standby = False
        self.waiting_for = ""

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the log until `stopping` is set, as the only projector that does.

        While another projector works, this one waits; it also waits while the checkpoint is of
        another log. Whatever moved the checkpoint, this goes on from where it then stands.
        """
        try:
            while not stopping.is_set():
                try:
                    at = await self._start(stopping)
                    if at is not None:
                        await self._follow(at, stopping)
                except* (
                    CheckpointMoved,
                    asyncpg.UndefinedTableError,
                ) as fenced:  # moved, or dropped
                    _log.warning("projector.checkpoint_moved", reason=str(_first(fenced)))
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            await self._store.close()

    async def _start(self, stopping: asyncio.Event) -> int | None:
        """Return the checkpoint's sequence, once this is the projector that moves it."""
        while not stopping.is_set():
            try:
                await checkpoint_of(self._store, self._event_log)  # makes the tables, if need be
                await self._store.claim()
                self._stand_by(is_standby=False)
                at = (await checkpoint_of(self._store, self._event_log)).sequence
                await self._warn_of_outdated()
            except AnotherProjectorActive as reason:
                self._stand_by(is_standby=True)
                trouble, seconds = str(reason), _STANDBY_SECONDS
            except WrongLog as reason:
                trouble, seconds = str(reason), _STANDBY_SECONDS
            except (PostgresUnavailable, Unavailable, ApiError) as reason:
                trouble, seconds = str(reason), RETRY_SECONDS
            else:
                self.waiting_for = ""
                return at
            if trouble != self.waiting_for:
                self.waiting_for = trouble
                _log.warning("projector.waiting", reason=trouble)
            await _pause(stopping, seconds)
        return None

    async def _warn_of_outdated(self) -> None:
        """Warn of tasks whose state lacks what this version folds, until they are rebuilt."""
        if tasks := await self._store.outdated():
            _log.warning(
                "projector.states_outdated",
                tasks=tasks,
                remedy="errand projector rebuild --accept-differences",
            )

    def _stand_by(self, *, is_standby: bool) -> None:
        self.is_standby = is_standby
        _standby.set(is_standby)

    async def _follow(self, at: int, stopping: asyncio.Event) -> None:
        _log.info("projector.history_started", after=at)
        writer = BatchWriter(
            self._store, partial(self._event_log.quarantine, readers.HISTORY), at=at
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(writer.write())
            async for batch in self._event_log.follow(readers.HISTORY, after=at, until=stopping):
                await writer.take(batch)
                _applied.inc(len(batch))
                _position.set(batch[-1].sequence)
            await writer.finish()


async def checkpoint_of(store: Store, log: JetStreamLog[Never]) -> Checkpoint:
    """Open the store and return its checkpoint in this log. Raises WrongLog."""
    created = (await log.info()).created
    checkpoint = await store.open(created)
    info = await log.info()  # again: another projector may have come this far
    if checkpoint.log_created != info.created or checkpoint.sequence > info.last_sequence:
        raise WrongLog(
            f"The read models stand at {checkpoint.sequence} of a log created "
            f"{checkpoint.log_created}; this log was created {info.created} and ends at "
            f"{info.last_sequence}. Drop schema `read` and start again to rebuild them."
        )
    return checkpoint


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
