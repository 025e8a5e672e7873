"""`errand forward`: events to other people's servers, as signed webhooks."""

import asyncio
import random
import signal
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import httpx

from infra.log.jetstream import Connection, JetStreamLog
from infra.operator.analytics.command_line import PLACE, Place, run
from infra.operator.analytics.forwarding import Forwarder, Misconfigured, Refused, read_endpoints
from infra.operator.context import Operator
from infra.runtime.clock import utc_now


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True,
    help="The endpoints, TOML (docs/guide/consumers.md).",
)  # fmt: skip
@click.option(
    "--cursors", type=click.Path(path_type=Path, file_okay=False), default=Path("cursors"),
    show_default=True, help="Where each endpoint's cursor is kept.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="End when all there is has been sent.")
@click.option("--from", "begin", type=Place(), help=f"Begin here, not at the cursors: {PLACE}.")
@click.option("--only", default="", help="Only the endpoint of this name.")
@click.pass_obj
def forward(
    operator: Operator,
    *,
    config: Path,
    cursors: Path,
    once: bool,
    begin: int | datetime | None,
    only: str,
) -> int:
    """Send events to other servers as signed CloudEvents, until Ctrl-C. For operators."""
    try:
        endpoints = read_endpoints(config.read_text(), operator.environment)
    except Misconfigured as error:
        raise click.UsageError(f"{config}: {error}") from None
    chance = random.SystemRandom()
    forwarders = [
        Forwarder(endpoint, secret, cursors, clock=utc_now, chance=chance)
        for endpoint, secret in endpoints.items()
        if only in ("", endpoint.name)
    ]
    if not forwarders:
        raise click.UsageError(f"{config} has no endpoint {only}.".replace("  ", " "))

    async def work(log: Connection) -> int:
        up_to = (await JetStreamLog[Any](log).info()).last_sequence if once else None
        until = _until_signalled()
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as group:
            runs = [
                group.create_task(
                    _forward(operator, each.run(log, client, until=until, up_to=up_to, begin=begin))
                )
                for each in forwarders
            ]
        return 0 if all(each.result() for each in runs) else 1

    return run(operator, work)


async def _forward(operator: Operator, running: Coroutine[Any, Any, int]) -> bool:
    """Run one endpoint to its end; return how it ended."""
    try:
        sent = await running
    except (Refused, ValueError) as error:
        operator.console.print(str(error), style="red", highlight=False, markup=False)
        return False
    operator.console.print(f"{sent} events sent.", highlight=False)
    return True


def _until_signalled() -> asyncio.Event:
    until = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, until.set)
    return until
