"""The operator's commands that read the log from outside: `errand export` and `errand costs`.

Found by `errand` through the entry points `errand.commands`.
"""

from contextlib import aclosing
from datetime import datetime

import click
from rich.console import Console
from rich.table import Column, Table

from infra.log.jetstream import Connection, replay
from infra.operator.analytics import costs as costing
from infra.operator.analytics.command_line import PLACE, Place, run, selection_of
from infra.operator.analytics.consumer import follow_events
from infra.operator.analytics.destination import destination
from infra.operator.analytics.export import Format, writing
from infra.operator.analytics.export import export as write_out
from infra.operator.context import Operator

_MICRO = 1_000_000


_SINCE = click.option("--since", type=Place(), help=f"Where to begin: {PLACE}.")
_UP_TO = click.option("--until", "up_to", type=Place(), help="Where to end; by default here, now.")


@click.command()
@click.option("--format", "form", type=click.Choice(["jsonl", "parquet"]), default="jsonl")
@_SINCE
@_UP_TO
@click.option("--type", "types", multiple=True, help="Only events of this type; may be repeated.")
@click.option("--account", default="", help="Only this account's events.")
@click.option("--to", required=True, help="A path, or s3://bucket/key (S3_* in the environment).")
@click.pass_obj
def export(
    operator: Operator,
    *,
    form: Format,
    since: int | datetime | None,
    up_to: int | datetime | None,
    types: tuple[str, ...],
    account: str,
    to: str,
) -> int:
    """Write the log's events into a file, as JSON lines or Parquet. For operators."""

    async def work(log: Connection) -> int:
        selection = await selection_of(log, since, up_to, types=types, account=account)
        with operator.console.status("Reading the log") as status:
            async with (
                destination(to, operator.environment) as path,
                aclosing(replay(log, "export", selection)) as batches,
            ):
                with writing(path, form) as write:
                    done = await write_out(
                        batches, write, lambda count: status.update(f"{count:,} events")
                    )
        place = f" (sequences {done.first} to {done.last})" if done.events else ""
        operator.console.print(f"Wrote {done.events:,} events{place} to {to}.", highlight=False)
        return 0

    return run(operator, work)


@click.command()
@_SINCE
@_UP_TO
@click.option("--to", default="", help="A Parquet file to write: a path, or s3://bucket/key.")
@click.pass_obj
def costs(
    operator: Operator, *, since: int | datetime | None, up_to: int | datetime | None, to: str
) -> int:
    """Print cost and success per repository and day; with --to, as Parquet. For operators."""

    async def work(log: Connection) -> int:
        selection = await selection_of(log, since, up_to, types=tuple(costing.TYPES))
        table = costing.Costs()
        async with aclosing(follow_events(log, "costs", selection)) as feed:
            async for recorded in feed:
                table.take(recorded)
        if to:
            async with destination(to, operator.environment) as path:
                costing.write(path, table.lines())
            operator.console.print(f"Wrote {len(table.lines())} lines to {to}.", highlight=False)
        else:
            _show(operator.console, table)
        return 0

    return run(operator, work)


def _show(console: Console, table: costing.Costs) -> None:
    """Show the table on a screen."""
    shown = Table(
        "day", Column("repository", overflow="fold"),
        "tasks", "success", "pull requests", "model", "machines",
        box=None, pad_edge=False,
    )  # fmt: skip
    for key, line in table.lines().items():
        success = "" if line.success is None else f"{line.success:.0%}"
        spent = (f"${n / _MICRO:.4f}" for n in (line.model_microusd, line.machine_microusd))
        counts = (str(line.submitted), success, str(line.pull_requests))
        shown.add_row(key.day.isoformat(), key.repository, *counts, *spent)
    console.print(shown)
