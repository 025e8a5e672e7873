"""Command `errand outbox`: sends the queued commands and lists those that remain."""

import asyncio
from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from clients.cli.commands.delivery import QUEUED_EXIT_CODE, deliver, wait_option
from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.stream.outbox import Command
from clients.cli.view.event_view import plain


@click.command()
@click.option("--drop", default="", metavar="ID", help="Remove this command without sending it.")
@wait_option
@pass_cli_context
def outbox(context: CliContext, *, drop: str, wait_seconds: float) -> int:
    """Send the queued commands, and list those that remain."""

    async def work() -> int:
        async with await context.sign_in(allow_unreachable=True) as gateway:
            kept = context.outbox(gateway)
            if drop:
                dropped = _kept_command(kept.waiting(), drop)
                kept.remove(dropped.id)
                context.console.print(Text(f"Removed without sending: {_described(dropped)}"))
            for last in kept.waiting()[-1:]:
                try:
                    await deliver(context, gateway, last, wait_seconds=wait_seconds)
                except CliError as trouble:  # the remaining commands are still listed
                    context.console.print(Text(plain(trouble.message), style="yellow"))
            return _list(kept.waiting(), context.console)

    return asyncio.run(work())


def _kept_command(waiting: Sequence[Command], named: str) -> Command:
    """Return the queued command whose id begins like this. Raises CliError."""
    found = [each for each in waiting if each.id.startswith(named)]
    if len(found) == 1:
        return found[0]
    said = "More than one queued id begins" if found else "No queued id begins"
    raise CliError(f"{said} with {named}.", "`errand outbox` lists them.")


def _described(kept: Command) -> str:
    return f"{kept.op} {kept.task}".strip()


def _list(waiting: list[Command], console: Console) -> int:
    """Print the queued commands: the id complete, because --drop needs it, the rest as it fits."""
    for each in waiting:
        said = plain(each.args.decode())
        line = Text(f"{each.id}  {_described(each)}  {said}")
        if console.is_terminal:
            line.truncate(max(console.width, len(each.id) + 20), overflow="ellipsis")
        console.print(line)
    return QUEUED_EXIT_CODE if waiting else 0
