"""`errand interrupt` and `errand budget`: what a person changes about a task that is under way."""

import asyncio
import re
from decimal import Decimal
from typing import Final

import click

from clients.cli.commands.send_instruction import read_state, send_command, wait_option
from clients.cli.commands.watch import ENDED
from clients.cli.context import Person, person_of
from clients.cli.errors import Trouble
from clients.cli.gateway.client import JSON, new_command
from clients.cli.gateway.task_ids import find_task
from clients.cli.stream.outbox import command
from clients.cli.view.event_view import money

_AMOUNT: Final = re.compile(r"\+\$?([0-9]{1,6}(?:\.[0-9]{1,6})?|\.[0-9]{1,6})")
_MICROUSD: Final = 1_000_000


class Amount(click.ParamType[int]):
    """An amount to add, in US dollars such as `+2` or `+0.50`; read as millionths of a dollar."""

    name = "amount"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the millionths. Fails on what is not an amount to add."""
        if isinstance(value, int):
            return value
        matched = _AMOUNT.fullmatch(str(value))
        microusd = int(Decimal(matched[1]) * _MICROUSD) if matched else 0
        if microusd < 1:
            self.fail(
                f"{value!r} is not an amount to add. A budget can only be raised: write how many "
                "US dollars more, such as +2 or +0.50.",
                param,
                ctx,
            )
        return microusd


@click.command()
@click.argument("task")
@click.argument("amount", type=Amount(), metavar="+DOLLARS")
@wait_option
@person_of
def budget(person: Person, *, task: str, amount: int, wait_seconds: float) -> int:
    """Let a task spend this much more, in US dollars: +2 or +0.50.

    A task that used up its turns or its time also gets as many again as it was first given.
    """
    done = f"The task may spend {money(amount)} more"
    args = {"cost_microusd": amount}
    return _change(person, task, op="budget", args=args, wait_seconds=wait_seconds, done=done)


@click.command()
@click.argument("task")
@wait_option
@person_of
def interrupt(person: Person, *, task: str, wait_seconds: float) -> int:
    """Stop what a task does now; it waits for your next instruction."""
    done = "Interrupted; `errand say` tells it what to do next"
    return _change(person, task, op="interrupt", args={}, wait_seconds=wait_seconds, done=done)


def _change(
    person: Person, task: str, *, op: str, args: JSON, wait_seconds: float, done: str
) -> int:
    async def work() -> int:
        async with await person.sign_in(may_be_away=True) as gateway:
            found = await find_task(gateway, task)
            phase = (await read_state(gateway, found)).get("phase")
            if phase in ENDED:
                raise Trouble(
                    f"{found} has ended ({phase}); nothing was changed.",
                    f'`errand say {found} "…"` starts it again.',
                )
            told = command(new_command(), op, args, task=found)
            return await send_command(
                person, gateway, told, wait_seconds=wait_seconds, done=done, shows_state=True
            )

    return asyncio.run(work())
