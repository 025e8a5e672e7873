"""Commands `errand interrupt`, `budget`, `allow` and `cancel`, which change a running task."""

import asyncio
import re
from decimal import Decimal
from typing import Final

import click
from rich.text import Text

from clients.cli.commands.delivery import read_state, send_command, wait_option
from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.client import new_command_id
from clients.cli.gateway.task_ids import find_task
from clients.cli.stream.outbox import command
from clients.cli.view.event_view import format_usd
from events.protocol.api.egress import HostAndPort, parse_host
from events.protocol.api.requests import (
    BudgetRaiseRequest,
    CancelRequest,
    HostAllowanceRequest,
    InterruptRequest,
)
from events.protocol.task_state import ENDED

_AMOUNT: Final = re.compile(r"\+\$?([0-9]{1,6}(?:\.[0-9]{1,6})?|\.[0-9]{1,6})")
_MICROUSD: Final = 1_000_000
_Change = BudgetRaiseRequest | HostAllowanceRequest | InterruptRequest
_OPERATIONS: Final[dict[type[_Change], str]] = {
    BudgetRaiseRequest: "budget",
    HostAllowanceRequest: "allow_host",
    InterruptRequest: "interrupt",
}
_HTTPS_PORT: Final = 443


class Amount(click.ParamType[int]):
    """Parameter type of an amount to add in US dollars, such as `+2`; the value is microdollars."""

    name = "amount"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the amount in microdollars. Fails on what is not an amount to add."""
        if isinstance(value, int):
            return value
        matched = _AMOUNT.fullmatch(str(value))
        microusd = int(Decimal(matched[1]) * _MICROUSD) if matched else 0
        if microusd < 1:
            self.fail(
                f"{value!r} is not an amount to add. A budget can only be raised: give the US "
                "dollars to add, such as +2 or +0.50.",
                param,
                ctx,
            )
        return microusd


@click.command()
@click.argument("task")
@click.argument("amount", type=Amount(), metavar="+DOLLARS")
@wait_option
@pass_cli_context
def budget(context: CliContext, *, task: str, amount: int, wait_seconds: float) -> int:
    """Raise a task's budget by an amount in US dollars, such as +2 or +0.50.

    A task that has used up its turns or its time also gets its initial allowance again.
    """
    done = f"The task may spend {format_usd(amount)} more"
    args = BudgetRaiseRequest(cost_microusd=amount)
    return _change(context, task, args, wait_seconds=wait_seconds, done=done)


@click.command()
@click.argument("task")
@click.argument("host", metavar="HOST[:PORT]")
@wait_option
@pass_cli_context
def allow(context: CliContext, *, task: str, host: str, wait_seconds: float) -> int:
    """Allow a task's commands to connect to a host, such as api.example.com, until it ends."""
    try:
        name, port = parse_host(host)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="HOST") from None
    args = HostAllowanceRequest(host=name, port=port or _HTTPS_PORT)
    done = f"Commands of the task may connect to {HostAndPort(name, args.port)}"
    return _change(context, task, args, wait_seconds=wait_seconds, done=done)


@click.command()
@click.argument("task")
@wait_option
@pass_cli_context
def interrupt(context: CliContext, *, task: str, wait_seconds: float) -> int:
    """Interrupt what a task is doing; it waits for your next instruction."""
    done = "Interrupted; send the next instruction with `errand say`"
    return _change(context, task, InterruptRequest(), wait_seconds=wait_seconds, done=done)


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
            state = await read_state(gateway, found)
            if state and state.phase in ENDED:
                note = f"{found} has already ended ({state.phase}); there is nothing to cancel."
                context.console.print(Text(note))
                return 0
            told = command(new_command_id(), "cancel", CancelRequest(reason=reason), task=found)
            done = "Cancelled; its worker stops"
            return await send_command(context, gateway, told, wait_seconds=wait_seconds, done=done)

    return asyncio.run(work())


def _change(
    context: CliContext, task: str, args: _Change, *, wait_seconds: float, done: str
) -> int:
    op = _OPERATIONS[type(args)]

    async def work() -> int:
        async with await context.sign_in(allow_unreachable=True) as gateway:
            found = await find_task(gateway, task)
            state = await read_state(gateway, found)
            if state and state.phase in ENDED:
                raise CliError(
                    f"{found} has already ended ({state.phase}); nothing was changed.",
                    f'`errand say {found} "…"` starts it again.',
                )
            told = command(new_command_id(), op, args, task=found)
            return await send_command(
                context, gateway, told, wait_seconds=wait_seconds, done=done, shows_state=True
            )

    return asyncio.run(work())
