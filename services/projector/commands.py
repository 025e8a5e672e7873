"""`errand projector`: commands for the operator of the read models. Found by its entry point."""

import asyncio
import time
from typing import Final, Never, Self

import asyncpg
import click
import uvloop
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from infra.log.event_log import Unavailable
from infra.log.jetstream import JetStreamLog, connect
from infra.operator.context import Operator, log_address
from infra.runtime import telemetry
from infra.runtime.lifecycle import collect_rarely
from services.projector.history.loop import WrongLog
from services.projector.history.store import NEXT, PREVIOUS
from services.projector.projections import TABLES
from services.projector.rebuild import rebuild as rebuilding
from services.projector.rebuild import swap

_SMOOTHING_SECONDS: Final = 10.0


@click.group()
def projector() -> None:
    """Rebuild the read models from the log."""


@projector.command()
@click.option(
    "--model", type=click.Choice([table.name for table in TABLES]), help="This one model alone."
)
@click.option(
    "--from-scratch", is_flag=True, help="Start at the first event, whatever was built before."
)
@click.option(
    "--accept-differences",
    is_flag=True,
    help="Swap although the result differs from what is live: the projections have changed.",
)
@click.pass_obj
def rebuild(
    operator: Operator, model: str | None, *, from_scratch: bool, accept_differences: bool
) -> None:
    """Build the read models from the log beside the live ones, compare, and swap.

    Ctrl-C stops it; run again, it resumes. The old models are kept until `forget`.
    """
    telemetry.configure("errand", level="ERROR")
    collect_rarely()
    uvloop.run(
        _rebuild(
            operator, model, is_from_scratch=from_scratch, accepts_differences=accept_differences
        )
    )


@projector.command()
@click.pass_obj
def forget(operator: Operator) -> None:
    """Drop the models that the last rebuild replaced, and what a stopped one left."""
    asyncio.run(_forget(operator))


async def _rebuild(
    operator: Operator, model: str | None, *, is_from_scratch: bool, accepts_differences: bool
) -> None:
    tables = [table for table in TABLES if model in (None, table.name)]
    address = log_address(operator, "projector")
    try:
        async with connect(
            address.nats_url,
            credentials=address.nats_credentials,
            name="rebuild",
            keys=address.keys,
        ) as nats:
            work = rebuilding.Rebuild(
                JetStreamLog[Never](nats), _postgres_url(operator), tables=tables
            )
            with _Bar(operator.console) as bar:
                done = await work.run(
                    bar.report,
                    is_from_scratch=is_from_scratch,
                    accepts_differences=accepts_differences,
                )
    except (rebuilding.Refused, WrongLog, Unavailable) as refusal:
        raise click.ClickException(str(refusal)) from None
    except (OSError, asyncpg.PostgresError) as error:
        raise click.ClickException(_postgres_away(error)) from None
    _print_result(operator.console, done)


def _print_result(console: Console, done: rebuilding.RebuildResult) -> None:
    if done.differing:
        console.print(f"Differed at sequence {done.compared_at}: {', '.join(done.differing)}.")
    else:
        console.print(f"Equal at sequence {done.compared_at}, table by table:")
    for name, found in done.hashes.items():
        rows, digest = found.split(":")
        console.print(f"  {name:<14}{int(rows):>12,} rows  {digest}", highlight=False)
    console.print(
        f"Swapped at sequence {done.sequence}; the projector waited "
        f"{done.held_up_seconds * 1000:.0f} ms. The old models are kept: `errand projector forget`."
    )


async def _forget(operator: Operator) -> None:
    try:
        connection = await asyncpg.connect(_postgres_url(operator))
        try:
            if not await swap.lock_out_others(connection):
                raise click.ClickException("A rebuild is under way; wait for its end, or stop it.")
            dropped = [s for s in (PREVIOUS, NEXT) if await swap.drop(connection, s)]
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError) as error:
        raise click.ClickException(_postgres_away(error)) from None
    operator.console.print(f"Dropped: {', '.join(dropped)}." if dropped else "Nothing is kept.")


def _postgres_url(operator: Operator) -> str:
    """Return the database's URL: POSTGRES_URL, else that of the stack that runs here."""
    given = operator.environment.get("POSTGRES_URL", "")
    if given:
        return given
    stack = operator.stack_here()
    if stack is not None and stack.postgres_url:
        return stack.postgres_url
    raise click.UsageError(
        "Where are the read models? Set POSTGRES_URL, or start a stack in this folder with "
        "`make run`."
    )


def _postgres_away(error: Exception) -> str:
    return f"PostgreSQL refused: {error}. Check that it runs at POSTGRES_URL, and run this again."


class _Bar:
    """A progress bar with the rate and the remaining time."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=_SMOOTHING_SECONDS,
        )
        self._line: TaskID | None = None
        self._first = (0, 0.0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def report(self, at: rebuilding.Progress) -> None:
        """Show how far it is."""
        if self._line is None:
            self._first = (at.sequence, time.monotonic())
            self._line = self._progress.add_task(at.stage, rate="")
        seconds = time.monotonic() - self._first[1]
        rate = (at.sequence - self._first[0]) / seconds if seconds > 1 else 0
        self._progress.update(
            self._line,
            completed=at.sequence,
            total=at.of,
            description=at.stage,
            rate=f"{rate:,.0f}/s" if rate and at.stage == "building" else "",
        )
