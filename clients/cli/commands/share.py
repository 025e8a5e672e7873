"""Command `errand share`: links by which people without an account may look at a task."""

import asyncio
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

import click
from rich.console import Console
from rich.text import Text

from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.task_ids import find_task
from events.protocol.api.shares import NewShare, Share, SharedParts, ShareList, ShareRequest

_LIFETIME: Final = re.compile(r"([1-9][0-9]{0,3})([hd])")
_HOURS: Final = {"h": 1, "d": 24}


class Lifetime(click.ParamType[timedelta]):
    """Parameter type of a lifetime in hours or days, such as `12h` or `7d`."""

    name = "lifetime"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the lifetime. Fails on what is not one."""
        if isinstance(value, timedelta):
            return value
        matched = _LIFETIME.fullmatch(str(value))
        if matched is None:
            self.fail(
                f"{value!r} is no lifetime: give hours or days, such as 12h or 7d.", param, ctx
            )
        return timedelta(hours=int(matched[1]) * _HOURS[matched[2]])


@click.command()
@click.argument("task", default="")
@click.option("--no-commands", is_flag=True, help="Hide what the agent's calls are.")
@click.option("--outputs", is_flag=True, help="Show what the calls printed.")
@click.option("--diffs", is_flag=True, help="Show changed files, line by line.")
@click.option("--costs", is_flag=True, help="Show money, tokens and budgets.")
@click.option("--live", is_flag=True, help="Go on with the task; else it ends where it stands now.")
@click.option("--at", type=click.IntRange(min=1), default=None, help="End at this version.")
@click.option("--expires", type=Lifetime(), default=None, help="End after 12h, 7d, …")
@click.option("--list", "is_listed", is_flag=True, help="List the links of TASK, or all.")
@click.option("--revoke", default="", metavar="SHARE", help="End a link at once.")
@pass_cli_context
def share(  # noqa: PLR0913 - one parameter per option
    context: CliContext,
    *,
    task: str,
    no_commands: bool,
    outputs: bool,
    diffs: bool,
    costs: bool,
    live: bool,
    at: int | None,
    expires: timedelta | None,
    is_listed: bool,
    revoke: str,
) -> int:
    """Make a link that shows a task, redacted and read-only, to people without an account."""
    parts = SharedParts(commands=not no_commands, outputs=outputs, diffs=diffs, costs=costs)
    until = datetime.fromtimestamp(time.time_ns() / 1e9, UTC) + expires if expires else None
    wanted = ShareRequest(parts=parts, is_live=live, up_to_version=at, expires_at=until)

    async def work() -> None:
        async with await context.sign_in() as gateway:
            if revoke:
                await gateway.delete(f"/v1/shares/{quote(revoke, safe='')}")
                context.console.print(Text("The link has ended."))
                return
            found = await find_task(gateway, task) if task else ""
            if is_listed:
                path = f"/v1/tasks/{found}/shares" if found else "/v1/shares"
                _show(context.console, (await gateway.get(path, ShareList)).data)
                return
            if not found:
                raise CliError(
                    "Which task is to be shared?", "errand share TASK; `errand list` shows them."
                )
            _tell(context, await gateway.post(f"/v1/tasks/{found}/shares", wanted, NewShare))

    asyncio.run(work())
    return 0


def _tell(context: CliContext, made: NewShare) -> None:
    """Print the address alone, so that it can be piped on; the rest is a note."""
    context.console.print(Text(made.url), soft_wrap=True)
    what = _described(made.share)
    context.notify(f"Whoever has this link sees {what}. It is shown this once.")
    context.notify(f"To end it: errand share --revoke {made.share.share}")


def _show(console: Console, shares: Sequence[Share]) -> None:
    if not shares:
        console.print(Text("No links."))
    for each in shares:
        times = "once" if each.views == 1 else f"{each.views} times"
        made = f"{each.share}  {each.task}  {each.created_at:%Y-%m-%d %H:%M} by {each.person}"
        console.print(Text(made), soft_wrap=True)
        console.print(Text(f"  {_described(each)}; opened {times}", style="dim"), soft_wrap=True)


def _described(share: Share) -> str:
    named = {
        "commands": share.parts.commands,
        "outputs": share.parts.outputs,
        "diffs": share.parts.diffs,
        "costs": share.parts.costs,
    }
    shown = ", ".join(["the conversation", *(name for name, is_shown in named.items() if is_shown)])
    place = f"up to version {share.up_to_version}" if share.up_to_version else "as it goes on"
    if share.revoked_at:
        return f"{shown}, {place}; revoked {share.revoked_at:%Y-%m-%d %H:%M}"
    until = f", until {share.expires_at:%Y-%m-%d %H:%M} UTC" if share.expires_at else ""
    return f"{shown}, {place}{until}"
