"""Rebuilds the read models beside the live ones, compares them, and swaps them.

The projector goes on meanwhile. The shadow has a checkpoint of its own: a stopped rebuild resumes
there. It is compared with the live models at the same sequence, in a snapshot that holds
nobody up; then the projector waits while the last few events and the swap are done.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple, Never, cast

import asyncpg

from events import Recorded
from events.protocol import readers
from infra.log.jetstream import JetStreamLog
from infra.runtime.telemetry import logger
from services.projector.history.batch_writer import BatchWriter
from services.projector.history.loop import checkpoint_of
from services.projector.history.store import NEXT, PREVIOUS, Store, load_checkpoint
from services.projector.projections import TABLES
from services.projector.projections.table import Table
from services.projector.rebuild import swap

_NEAR: Final = 2_000
_SWAP_SECONDS: Final = 10
_SWAPS: Final = 5

_log = logger(__name__)


class Refused(Exception):
    """Raised when a rebuild cannot begin or end; the text gives the cause and the remedy."""


class Progress(NamedTuple):
    """Progress of a rebuild: the sequence reached, of the one the live models have."""

    sequence: int
    of: int
    stage: str


class RebuildResult(NamedTuple):
    """The result of a rebuild: the sequence of the swap, and what was compared where."""

    sequence: int
    held_up_seconds: float
    compared_at: int
    hashes: swap.Hashes
    differing: Sequence[str]


Report = Callable[[Progress], None]


class Rebuild:
    """One rebuild, of all tables or of one model's."""

    def __init__(
        self, log: JetStreamLog[Never], postgres_url: str, *, tables: Collection[Table] = TABLES
    ) -> None:
        self._event_log = log
        self._postgres_url = postgres_url
        self._tables = [table for table in TABLES if table in tables]
        self._purpose = "rebuild of " + ", ".join(table.name for table in self._tables)

    async def run(
        self, report: Report, *, is_from_scratch: bool = False, accepts_differences: bool = False
    ) -> RebuildResult:
        """Build, compare and swap. Resumes what was stopped before, unless `is_from_scratch`.

        Raises Refused when another rebuild runs, when an old schema is still kept, or when what was
        built differs from what is live and that is not accepted; what was built is then kept.
        """
        async with AsyncExitStack() as resources:
            link = await asyncpg.connect(self._postgres_url)
            resources.push_async_callback(link.close)
            await self._prepare(link, is_from_scratch=is_from_scratch)
            store = Store(self._postgres_url, schema=NEXT, tables=self._tables)
            resources.push_async_callback(store.close)
            at = (await checkpoint_of(store, self._event_log)).sequence
            async with _building(self._event_log, store, at) as shadow:
                outcome = await self._finish(
                    link, shadow, report, accepts_differences=accepts_differences
                )
        if isinstance(outcome, str):
            raise Refused(outcome)
        return outcome

    async def _finish(
        self,
        link: asyncpg.Connection,
        shadow: "_Shadow",
        report: Report,
        *,
        accepts_differences: bool,
    ) -> RebuildResult | str:
        """Catch up, compare and swap; a refusal is returned as its text."""
        await self._catch_up(link, shadow, report)
        compared_at, found, differing = await self._compare(link, shadow, report)
        if differing and not accepts_differences:
            return _differ(compared_at, differing)
        swapped = await self._swap(link, shadow, report)
        return RebuildResult(*swapped, compared_at, found, differing) if swapped else _BUSY

    async def _prepare(self, link: asyncpg.Connection, *, is_from_scratch: bool) -> None:
        if not await swap.lock_out_others(link):
            raise Refused("Another rebuild is under way; wait for its end, or stop it.")
        if not await swap.has(link, "read", "checkpoint"):
            raise Refused("There are no read models yet. Start the projector: it builds them.")
        is_whole = len(self._tables) == len(TABLES)
        if is_whole and await swap.has(link, PREVIOUS):
            raise Refused(_KEPT)
        for table in self._tables:
            if await swap.has(link, PREVIOUS, table.name):
                raise Refused(_KEPT)
        if is_from_scratch or await swap.purpose(link) != self._purpose:
            await swap.drop(link, NEXT)
            await swap.label(link, self._purpose)

    async def _catch_up(self, link: asyncpg.Connection, shadow: "_Shadow", report: Report) -> None:
        """Follow the log until little is missing to where the live models stand."""
        while True:
            live = (await load_checkpoint(link)).sequence
            if live - shadow.reached <= _NEAR:
                return
            await shadow.advance(live, report)

    async def _compare(
        self, link: asyncpg.Connection, shadow: "_Shadow", report: Report
    ) -> tuple[int, swap.Hashes, Sequence[str]]:
        """Hash the live models in a snapshot and the shadow at the same sequence.

        Where something differs it is looked at again, a little later: while a task is being erased,
        its events go before what is left of it in the read models.
        """
        attempts = 3
        while True:
            async with link.transaction(isolation="repeatable_read", readonly=True):
                at = (await load_checkpoint(link)).sequence
                report(Progress(at, at, "comparing"))
                await shadow.advance(at)
                live = await swap.hashes(link, "read", self._tables)
            async with link.transaction():
                built = await swap.hashes(link, NEXT, self._tables)
            differing = [name for name in live if live[name] != built[name]]
            attempts -= 1
            if not differing or not attempts:
                return at, built, differing
            _log.warning("rebuild.tables_differ", at=at, tables=differing)
            await asyncio.sleep(1)

    async def _swap(
        self, link: asyncpg.Connection, shadow: "_Shadow", report: Report
    ) -> tuple[int, float] | None:
        """Block the projector, add the last events and swap; return the sequence and seconds."""
        for _ in range(_SWAPS):
            await self._catch_up(link, shadow, report)
            report(Progress(shadow.reached, shadow.reached, "swapping"))
            began = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(_SWAP_SECONDS), link.transaction():
                    at = (await swap.hold_writers(link)).sequence
                    await shadow.advance(at)
                    if len(self._tables) == len(TABLES):
                        await swap.swap_all(link, at)
                    else:
                        await swap.swap_some(link, self._tables)
            except asyncpg.LockNotAvailableError as error:
                _log.warning("rebuild.projector_busy", reason=str(error))
            except TimeoutError:  # what the shadow holds in memory is in doubt now
                return None
            else:
                return at, asyncio.get_running_loop().time() - began
        return None


_KEPT: Final = (
    "The models of the last rebuild are still kept in schema read_previous. "
    "Run `errand projector forget` when they are not needed any more."
)

_BUSY: Final = (
    "The projector could not be held up for the swap. What was built is kept: run it again, when "
    "there is less to do."
)


def _differ(at: int, tables: Sequence[str]) -> str:
    return (
        f"At sequence {at} what was built differs from what is live in: {', '.join(tables)}. "
        "Nothing was swapped; schema read_next holds what was built. If the projections have "
        "changed since, that is to be expected: run it again with --accept-differences. If not, "
        "the live models are wrong or the log was changed; compare the two schemas."
    )


class _Shadow:
    """The log applied to the shadow, up to a given sequence."""

    def __init__(
        self, batches: AsyncIterator[Sequence[Recorded]], writer: BatchWriter, at: int
    ) -> None:
        self._batches = batches
        self._writer = writer
        self._held: Sequence[Recorded] = ()
        self.reached = at

    async def advance(self, sequence: int, report: Report | None = None) -> None:
        """Apply every event up to this sequence and none beyond it; return when all are written."""
        while self.reached < sequence:
            if not self._held:
                self._held = await anext(self._batches)
            due = [recorded for recorded in self._held if recorded.sequence <= sequence]
            self._held = self._held[len(due) :]
            if due:
                await self._writer.take(due)
            self.reached = sequence if self._held else due[-1].sequence
            if report is not None:
                report(Progress(self.reached, sequence, "building"))
        await self._writer.settled()


@asynccontextmanager
async def _building(log: JetStreamLog[Never], store: Store, at: int) -> AsyncIterator[_Shadow]:
    """Follow the log as the history loop does: what it skipped is skipped here."""
    until = asyncio.Event()
    writer = BatchWriter(store, partial(log.quarantine, readers.HISTORY), at=at)
    # The protocol's iterator is a generator, and is closed as one.
    batches = cast("Any", log.follow(readers.HISTORY, after=at, until=until))
    async with asyncio.TaskGroup() as group, aclosing(batches):
        group.create_task(writer.write())
        yield _Shadow(batches, writer, at)
        until.set()
        await writer.finish()
