"""Delivery of a command to a task: queued in the outbox, sent in order, and its answer printed."""

import asyncio
from contextlib import aclosing
from typing import Final

import click
from rich.text import Text

from clients.cli.context import CliContext
from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway, Unreachable, field_errors_text
from clients.cli.stream.client import Stream
from clients.cli.stream.command_sender import Acknowledged, Rejected
from clients.cli.stream.outbox import Command
from clients.cli.view.event_view import format_usd, plain
from clients.cli.view.phase_text import format_phase
from events.protocol.task_state import TaskState

QUEUED_EXIT_CODE: Final = 5
"""Exit code of a command that was queued for later."""

_QUEUED: Final = (
    "The gateway is unreachable. The command is queued and sent with your next command."
)

wait_option = click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Maximum time to wait for the gateway, in seconds.",
)


async def read_state(gateway: Gateway, task: str, *, at_least: int = 0) -> TaskState | None:
    """Return the task at a version or later; None when the gateway is unreachable."""
    query = {"wait_version": at_least} if at_least else {}
    try:
        return await gateway.get(f"/v1/tasks/{task}", TaskState, **query)
    except Unreachable:
        return None


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
    version = await deliver(context, gateway, told, wait_seconds=wait_seconds)
    if version is not None:
        place = f" (version {version})" if version else ""
        now = await _state_text(gateway, told.task, version) if shows_state else ""
        context.console.print(Text(f"{plain(done)}{place}{now}."))
        return 0
    context.console.print(Text(_QUEUED, style="yellow"))
    return QUEUED_EXIT_CODE


async def _state_text(gateway: Gateway, task: str, version: int) -> str:
    """Return the phase and cost of a task after a command; empty when they cannot be read."""
    state = await read_state(gateway, task, at_least=version)
    if state is None:
        return ""
    cost = format_usd(state.cost_microusd)
    return f": {format_phase(state)}, {cost} of model calls so far"


async def deliver(
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
