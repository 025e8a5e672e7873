"""The root command of `errand`, its global options, and its commands by section."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from clients.cli.commands.approve import approve
from clients.cli.commands.device.doctor import doctor
from clients.cli.commands.device.outbox import outbox
from clients.cli.commands.device.pair import pair
from clients.cli.commands.fetch import fetch
from clients.cli.commands.history.changes import changes, output
from clients.cli.commands.history.policy import policy
from clients.cli.commands.history.time_travel import diff, replay, show
from clients.cli.commands.list_tasks import list_tasks
from clients.cli.commands.run import fork, run
from clients.cli.commands.say import edit, say, withdraw
from clients.cli.commands.settings.environments import environments
from clients.cli.commands.settings.templates import templates
from clients.cli.commands.share import share
from clients.cli.commands.task_control import allow, budget, cancel, interrupt
from clients.cli.commands.watch import watch
from clients.cli.context import CliContext
from clients.cli.extensions import ExtensibleGroup
from clients.cli.gateway.sign_in import SessionFile
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


errand.sections = (
    ("Work", ("run", "fork", "list", "watch", "approve", "interrupt", "budget", "allow", "cancel")),
    ("Instructions", ("say", "edit", "withdraw", "templates")),
    ("Results", ("show", "changes", "diff", "output", "fetch", "replay", "share", "policy")),
    ("Repositories", ("environments",)),
    ("This device", ("pair", "outbox", "doctor")),
)
for each in (
    run, fork, list_tasks, watch, say, edit, withdraw, approve, interrupt, budget, allow, cancel,
    show, diff, changes, output, fetch, replay, share, policy, templates, environments, outbox,
    pair, doctor,
):  # fmt: skip
    errand.add_command(each)
