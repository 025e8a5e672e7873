"""What a person can type. Each command is one question to the gateway and what is shown of it."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

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
from clients.cli.context import Person, person_of
from clients.cli.errors import Trouble
from clients.cli.extensions import Extensible
from clients.cli.gateway.sign_in import SessionFile
from clients.cli.gateway.task_ids import find_task
from clients.cli.terminal.output import console_of


@click.group(cls=Extensible, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--gateway", envvar="ERRAND_URL", default="", help="The gateway's URL.")
@click.option(
    "--stack",
    envvar="ERRAND_HOME",
    default="",
    help="The directory of a local stack, if more than one runs here.",
)
@click.option(
    "--config",
    envvar="ERRAND_CONFIG",
    default="~/.config/errand",
    show_default=True,
    help="Where sessions are kept.",
)
@click.version_option(package_name="errand")
@click.pass_context
def errand(context: click.Context, gateway: str, stack: str, config: str) -> None:
    """Send a coding agent on an errand; get back a branch, a pull request and an honest account."""
    environment: Mapping[str, str] = context.obj or {}
    context.obj = Person(
        gateway=gateway,
        token=environment.get("ERRAND_TOKEN", ""),
        environment=environment,
        device=f"cli-{os.getpid()}",
        sessions=SessionFile(Path(config).expanduser() / "sessions.json"),
        console=console_of(),
        folder=Path.cwd(),
        stack_directory=stack,
    )


@click.command()
@click.argument("task")
@click.option("--after", default=0, help="Leave out the events up to this version.")
@click.option("--json", "is_json", is_flag=True, help="Print the events as JSON, one a line.")
@person_of
def watch(person: Person, *, task: str, after: int, is_json: bool) -> int:
    """Show a task from its beginning, and on until it has ended."""

    async def work() -> int:
        async with await person.sign_in() as gateway:
            found = await find_task(gateway, task)
            return await follow(person, gateway, found, is_json=is_json, after=after)

    return run_following(person, work())


@click.command()
@person_of
def doctor(person: Person) -> int:
    """Look at what is installed, reachable and allowed, and say what to do about the rest."""

    async def work() -> bool:
        async with AsyncExitStack() as resources:
            try:
                gateway = await resources.enter_async_context(await person.sign_in())
            except Trouble:
                gateway = None
            findings = await examine(gateway, person.stack(), person.environment)
        for finding in findings:
            mark, style = ("✓", "green") if finding.is_well else ("✗", "red")
            line = Text.assemble(
                (f"{mark} ", style), (f"{finding.name:<12}", "bold"), finding.found
            )
            person.console.print(line)
            if finding.remedy:
                person.console.print(Text(f"  {'':<12}{finding.remedy}", style="yellow"))
        return all(finding.is_well for finding in findings)

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
