"""The root command of `errand`, its global options, and its commands by section."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from clients.cli.commands.doctor import examine
from clients.cli.commands.fetch import fetch
from clients.cli.commands.list_tasks import list_tasks
from clients.cli.commands.pair import pair
from clients.cli.commands.run import run
from clients.cli.commands.send_instruction import approve, cancel, outbox, say
from clients.cli.commands.task_control import budget, interrupt
from clients.cli.commands.time_travel import diff, replay, show
from clients.cli.commands.watch import follow, run_following
from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.extensions import ExtensibleGroup
from clients.cli.gateway.sign_in import SessionFile
from clients.cli.gateway.task_ids import find_task
from clients.cli.terminal.output import make_console

UNSEEN_VARIABLES: Final = {
    "ERRAND_TOKEN": "Access token or API key for the gateway; no option, as arguments are visible."
}
"""Variables that no option sets, with their meaning."""


@click.group(cls=ExtensibleGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--gateway", envvar="ERRAND_URL", default="", help="URL of the gateway.")
@click.option(
    "--stack",
    envvar="ERRAND_HOME",
    default="",
    help="Directory of the local stack to use, if more than one runs on this machine.",
)
@click.option(
    "--config",
    envvar="ERRAND_CONFIG",
    default="~/.config/errand",
    show_default=True,
    help="Directory that holds sessions and queued commands.",
)
@click.version_option(package_name="errand")
@click.pass_context
def errand(context: click.Context, gateway: str, stack: str, config: str) -> None:
    """Send a task to a coding agent, follow it, and get a branch and a pull request back."""
    environment: Mapping[str, str] = context.obj or {}
    context.obj = CliContext(
        gateway=gateway,
        token=environment.get("ERRAND_TOKEN", ""),
        environment=environment,
        device=f"cli-{os.getpid()}",
        sessions=SessionFile(Path(config).expanduser() / "sessions.json"),
        console=make_console(),
        folder=Path.cwd(),
        stack_directory=stack,
    )


@click.command()
@click.argument("task")
@click.option("--after", default=0, help="Skip the events up to and including this version.")
@click.option("--json", "is_json", is_flag=True, help="Print the events as JSON, one per line.")
@pass_cli_context
def watch(context: CliContext, *, task: str, after: int, is_json: bool) -> int:
    """Show a task from its beginning, and follow it until it ends."""

    async def work() -> int:
        async with await context.sign_in() as gateway:
            found = await find_task(gateway, task)
            return await follow(context, gateway, found, is_json=is_json, after=after)

    return run_following(context, work())


@click.command()
@pass_cli_context
def doctor(context: CliContext) -> int:
    """Check what is installed and reachable, and print how to fix what is not."""

    async def work() -> bool:
        async with AsyncExitStack() as resources:
            try:
                gateway = await resources.enter_async_context(await context.sign_in())
            except CliError:
                gateway = None
            findings = await examine(gateway, context.stack(), context.environment)
        for finding in findings:
            mark, style = ("✓", "green") if finding.is_ok else ("✗", "red")
            line = Text.assemble(
                (f"{mark} ", style), (f"{finding.name:<12}", "bold"), finding.found
            )
            context.console.print(line)
            if finding.remedy:
                context.console.print(Text(f"  {'':<12}{finding.remedy}", style="yellow"))
        return all(finding.is_ok for finding in findings)

    return 0 if asyncio.run(work()) else 1


errand.sections = (
    ("Work", ("run", "list", "watch", "say", "approve", "interrupt", "budget", "cancel")),
    ("Results", ("show", "diff", "fetch", "replay")),
    ("This device", ("pair", "outbox", "doctor")),
)
for each in (
    run, list_tasks, watch, say, approve, interrupt, budget, cancel, show, diff, fetch, replay,
    outbox, pair, doctor,
):  # fmt: skip
    errand.add_command(each)
