"""Command `errand approve`: allows or denies the tool call that waits for approval."""

import asyncio

import click

from clients.cli.commands.delivery import send_command, wait_option
from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.client import new_command_id
from clients.cli.gateway.task_ids import find_task
from clients.cli.stream.outbox import command
from clients.cli.view.event_view import plain
from events.protocol.api.requests import ApprovalAnswerRequest
from events.protocol.task_state import TaskState


@click.command()
@click.argument("task")
@click.argument("request", default="")
@click.option("--deny", is_flag=True, help="Deny the call.")
@click.option("--reason", default="", help="Reason, for the agent and the history.")
@click.option("--for-task", is_flag=True, help="Also allow similar calls for this task.")
@wait_option
@pass_cli_context
def approve(
    context: CliContext,
    *,
    task: str,
    request: str,
    deny: bool,
    reason: str,
    for_task: bool,
    wait_seconds: float,
) -> int:
    """Allow or deny the tool call that waits for your approval; `errand show` shows it.

    Give the REQUEST id to be sure that you answer the request you have seen.
    """
    if deny and for_task:
        raise click.UsageError("--for-task and --deny cannot be combined.")

    async def work() -> int:
        async with await context.sign_in() as gateway:
            found = await find_task(gateway, task)
            asked = (await gateway.get(f"/v1/tasks/{found}", TaskState)).approval
            if not asked or request not in ("", asked.request):
                said = "has another pending approval" if asked else "has no pending approval"
                raise CliError(f"This task {said}.", f"`errand show {found}` shows the task.")
            args = ApprovalAnswerRequest(
                request=asked.request,
                digest=asked.digest,
                verdict="deny" if deny else "allow",
                reason=reason,
                scope="task" if for_task else "once",
            )
            told = command(new_command_id(), "approve", args, task=found)
            title = plain(asked.title)
            done = f"{'Denied' if deny else 'Allowed'}: {title}"
            done += ", and similar calls for this task" if for_task else ""
            return await send_command(context, gateway, told, wait_seconds=wait_seconds, done=done)

    return asyncio.run(work())
