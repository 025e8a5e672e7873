"""The history loop: keeps the read models in Postgres abreast of the log."""

import asyncio
from typing import Never

from prometheus_client import Counter, Gauge

from infra.jetstream import JetStreamLog
from infra.telemetry import logger
from services.projector.applying import Applying
from services.projector.link import LOST, RETRY_SECONDS
from services.projector.store import Checkpoint, Store

READER = "history"

_applied = Counter("errand_projector_events", "Events applied to the read models.")
_position = Gauge("errand_projector_sequence", "The last sequence taken for the read models.")
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
        self._store = Store(postgres_url)

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the log until told to stop. Raises WrongLog; store.Fenced, in a group."""
        try:
            at = await self._start(stopping)
            if at is not None:
                await self._follow(at, stopping)
        finally:
            await self._store.close()

    async def _start(self, stopping: asyncio.Event) -> int | None:
        """Tell where the checkpoint stands, once Postgres is there to say so."""
        while not stopping.is_set():
            try:
                return (await checkpoint_of(self._store, self._event_log)).sequence
            except LOST as error:
                _log.warning("postgres is away, trying again", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
        return None

    async def _follow(self, at: int, stopping: asyncio.Event) -> None:
        _log.info("history loop follows", after=at)
        applying = Applying(self._store, at=at)
        async with asyncio.TaskGroup() as group:
            group.create_task(applying.write())
            async for batch in self._event_log.follow(READER, after=at, until=stopping):
                await applying.take(batch)
                _applied.inc(len(batch))
                _position.set(batch[-1].sequence)
            await applying.finish()


async def checkpoint_of(store: Store, log: JetStreamLog[Never]) -> Checkpoint:
    """Open the store and tell where it stands in this log. Raises WrongLog."""
    created = (await log.info()).created
    checkpoint = await store.open(created)
    info = await log.info()  # anew: another projector may have come this far
    if checkpoint.log_created != info.created or checkpoint.sequence > info.last_sequence:
        raise WrongLog(
            f"The read models stand at {checkpoint.sequence} of a log created "
            f"{checkpoint.log_created}; this log was created {info.created} and ends at "
            f"{info.last_sequence}. Drop schema `read` and start again to rebuild them."
        )
    return checkpoint
