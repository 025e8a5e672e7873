"""Commands that send something to a task: `say`, `approve`, `cancel` and `outbox`."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from clients.cli.commands.watch import ENDED, follow, run_following
from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.client import JSON, Gateway, Unreachable, field_errors_text, new_command_id
from clients.cli.gateway.task_ids import find_task
from clients.cli.stream.client import Stream
from clients.cli.stream.command_sender import Acknowledged, Rejected
from clients.cli.stream.outbox import Command, command
from clients.cli.terminal.prompts import resolve_option
from clients.cli.view.event_view import format_usd, plain
from clients.cli.view.phase_text import format_phase

QUEUED_EXIT_CODE: Final = 5
"""Exit code of a command that was queued for later."""

_QUEUED = "The gateway is unreachable. The command is queued and sent with your next command."

wait_option = click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Maximum time to wait for the gateway, in seconds.",
)


@click.command()
@click.argument("task")
@click.argument("text")
@click.option(
    "--later", is_flag=True, help="Deliver it after the current turn, instead of at the next step."
)
@click.option(
    "--withdraw",
    is_flag=True,
    help="Withdraw the call that waits for your approval and send this instead.",
)
@click.option(
    "--watch", "-w", "is_watched", is_flag=True, help="Then follow the task until it ends."
)
@wait_option
@pass_cli_context
def say(
    context: CliContext,
    *,
    task: str,
    text: str,
    later: bool,
    withdraw: bool,
    is_watched: bool,
    wait_seconds: float,
) -> int:
    """Send an instruction to a task, or the answer to its question.

    If the question has options, a number selects one.
    """

    async def work() -> int:
        async with await context.sign_in(allow_unreachable=True) as gateway:
            found = await find_task(gateway, task)
            state = await read_state(gateway, found)
            if state.get("approval") and not (later or withdraw):
                raise _approval_waits(found, state["approval"], text)
            told, done = _said(found, state, text, is_later=later)
            code = await send_command(context, gateway, told, wait_seconds=wait_seconds, done=done)
            if code == 0 and is_watched:
                return await follow(context, gateway, found)
            return code

    return run_following(context, work())


def _said(task: str, state: JSON, text: str, *, is_later: bool) -> tuple[Command, str]:
    """Return the command, and the text to print when it is stored."""
    if question := state.get("question"):
        answer = resolve_option(question.get("options") or (), text)
        args = {"request": question["request"], "text": answer}
        return command(new_command_id(), "answer", args, task=task), f"Answered “{answer}”"
    instruction = {"text": text, "mode": "queue" if is_later else "steer"}
    when = (
        "The agent receives it after this turn"
        if is_later
        else "The agent receives it at its next step"
    )
    return command(new_command_id(), "instruct", instruction, task=task), when


def _approval_waits(task: str, approval: JSON, text: str) -> CliError:
    """Return the error for an instruction that would withdraw a pending call by accident."""
    title = plain(str(approval["title"]))
    return CliError(
        f"Nothing was sent: the task waits for your approval of “{title}”, and an instruction now"
        " would withdraw that call.",
        f"Allow it: errand approve {task} {approval['request']}\n"
        f"  Deny it: errand approve {task} {approval['request']} --deny --reason …\n"
        f"  Withdraw it and send “{plain(text)[:40]}”: add --withdraw. After this turn: --later.",
    )


async def read_state(gateway: Gateway, task: str, *, at_least: int = 0) -> JSON:
    """Return the task at a version or later; an empty result when the gateway is unreachable."""
    query = {"wait_version": at_least} if at_least else {}
    try:
        return await gateway.get(f"/v1/tasks/{task}", **query)
    except Unreachable:
        return {}


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
            asked = (await gateway.get(f"/v1/tasks/{found}")).get("approval")
            if not asked or request not in ("", asked["request"]):
                said = "has another pending approval" if asked else "has no pending approval"
                raise CliError(f"This task {said}.", f"`errand show {found}` shows the task.")
            args = {
                "request": asked["request"],
                "digest": asked["digest"],
                "verdict": "deny" if deny else "allow",
                "reason": reason,
                "scope": "task" if for_task else "once",
            }
            told = command(new_command_id(), "approve", args, task=found)
            title = plain(str(asked["title"]))
            done = f"{'Denied' if deny else 'Allowed'}: {title}"
            done += ", and similar calls for this task" if for_task else ""
            return await send_command(context, gateway, told, wait_seconds=wait_seconds, done=done)

    return asyncio.run(work())


@click.command()
@click.argument("task")
@click.option("--reason", default="", help="Reason, for the history.")
@wait_option
@pass_cli_context
def cancel(context: CliContext, *, task: str, reason: str, wait_seconds: float) -> int:
    """Cancel a task; its worker stops."""

    async def work() -> int:
        async with await context.sign_in(allow_unreachable=True) as gateway:
            found = await find_task(gateway, task)
            phase = (await read_state(gateway, found)).get("phase")
            if phase in ENDED:
                context.console.print(
                    Text(f"{found} has already ended ({phase}); there is nothing to cancel.")
                )
                return 0
            told = command(new_command_id(), "cancel", {"reason": reason}, task=found)
            done = "Cancelled; its worker stops"
            return await send_command(context, gateway, told, wait_seconds=wait_seconds, done=done)

    return asyncio.run(work())


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
                    await _deliver(context, gateway, last, wait_seconds=wait_seconds)
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


def keep(context: CliContext, gateway: Gateway, told: Command) -> int:
    """Queue a command for later and print a note. Raises CliError when that fails."""
    context.outbox(gateway).keep(told)
    context.console.print(Text(_QUEUED, style="yellow"))
    return QUEUED_EXIT_CODE


async def send_command(
    context: CliContext,
    gateway: Gateway,
    told: Command,
    *,
    wait_seconds: float,
    done: str,
    shows_state: bool = False,
) -> int:
    """Queue and send a command; print `done`, its version and, with `shows_state`, the state."""
    context.outbox(gateway).keep(told)
    version = await _deliver(context, gateway, told, wait_seconds=wait_seconds)
    if version is not None:
        place = f" (version {version})" if version else ""
        now = await _standing(gateway, told.task, version) if shows_state else ""
        context.console.print(Text(f"{plain(done)}{place}{now}."))
        return 0
    context.console.print(Text(_QUEUED, style="yellow"))
    return QUEUED_EXIT_CODE


async def _standing(gateway: Gateway, task: str, version: int) -> str:
    """Return the phase and cost of a task after a command; empty when they cannot be read."""
    state = await read_state(gateway, task, at_least=version)
    if not state:
        return ""
    cost = format_usd(int(state.get("cost_microusd", 0)))
    return f": {format_phase(state)}, {cost} of model calls so far"


async def _deliver(
    context: CliContext, gateway: Gateway, told: Command, *, wait_seconds: float
) -> int | None:
    """Send the queued commands in order up to this one; None when it remains queued.

    Return the version at which it is stored, 0 when another `errand` process has sent it.

    Raises CliError with the gateway's explanation when this command is refused; refusals of earlier
    ones are printed. `wait_seconds` applies per answer.
    """
    kept = context.outbox(gateway)
    stream = Stream(gateway, device=context.device, tasks={}, outbox=kept)
    try:
        async with aclosing(stream.items()) as items, asyncio.timeout(wait_seconds) as patience:
            async for item in items:
                match item:
                    case Acknowledged(command=told.id, version=version):
                        return version
                    case Rejected(command=told.id, is_final=True, problem=problem):
                        raise CliError(
                            problem.detail, field_errors_text(problem.detail, problem.errors)
                        )
                    case Rejected(command=earlier, is_final=True, problem=problem):
                        said = f"Queued earlier ({earlier}): {problem.detail}"
                        context.console.print(Text(plain(said), style="yellow"))
                    case Rejected():
                        continue  # temporarily refused: keep waiting
                    case _:
                        pass
                patience.reschedule(asyncio.get_running_loop().time() + wait_seconds)
    except TimeoutError:
        pass
    return None if told in kept.waiting() else 0
