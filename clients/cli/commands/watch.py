"""Command `errand watch`: shows a task from its beginning and follows it to its end."""

import click

from clients.cli.commands.follow import follow, run_following
from clients.cli.context import CliContext, pass_cli_context
from clients.cli.gateway.task_ids import find_task


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
