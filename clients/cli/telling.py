"""What a person tells a task. It is kept in the outbox until it is answered, today or tomorrow."""

import asyncio
from contextlib import aclosing
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients.cli.gateway import Gateway, Unreachable, new_command
from clients.cli.outbox import Command, command
from clients.cli.person import Person, person_of
from clients.cli.screen import plain
from clients.cli.sending import Done, NotDone
from clients.cli.stream import Stream
from clients.cli.trouble import Trouble

KEPT_CODE: Final = 5
"""The exit code of a command that is kept for later."""

_KEPT = "The gateway does not answer just now. This is kept, and goes with your next command."

_waiting = click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="How long to wait for the gateway, in seconds.",
)


@click.command()
@click.argument("task")
@click.argument("text")
@click.option("--later", is_flag=True, help="After the turn, instead of at once.")
@_waiting
@person_of
def say(person: Person, *, task: str, text: str, later: bool, wait_seconds: float) -> int:
    """Say something to a task: an instruction, or the answer to what it asks."""

    async def work() -> int:
        async with await person.sign_in(may_be_away=True) as gateway:
            request = await _question(gateway, task)
            instruction = {"text": text, "mode": "queue" if later else "steer"}
            answer = {"request": request, "text": text}
            op, args = ("answer", answer) if request else ("instruct", instruction)
            told = command(new_command(), op, args, task=task)
            return await _tell(person, gateway, told, wait_seconds=wait_seconds)

    return asyncio.run(work())


async def _question(gateway: Gateway, task: str) -> str:
    """Tell which question is open, as far as can be known."""
    try:
        question = (await gateway.get(f"/v1/tasks/{task}")).get("question")
    except Unreachable:
        return ""
    return str(question["request"]) if question else ""


@click.command()
@click.argument("task")
@click.argument("request", default="")
@click.option("--deny", is_flag=True, help="Do not allow it.")
@click.option("--reason", default="", help="Why, for the agent and the record.")
@click.option("--for-task", is_flag=True, help="Allow the like of it too, until the task ends.")
@_waiting
@person_of
def approve(
    person: Person,
    *,
    task: str,
    request: str,
    deny: bool,
    reason: str,
    for_task: bool,
    wait_seconds: float,
) -> int:
    """Allow, or deny, what a task asks leave for; `errand show` shows what that is.

    With the REQUEST that was shown, nothing else is answered.
    """
    if deny and for_task:
        raise click.UsageError("--for-task allows the like of it too; it does not go with --deny.")

    async def work() -> int:
        async with await person.sign_in() as gateway:
            asked = (await gateway.get(f"/v1/tasks/{task}")).get("approval")
            if not asked or request not in ("", asked["request"]):
                said = "asks for something else now" if asked else "asks for no leave just now"
                raise Trouble(f"This task {said}.", f"`errand show {task}` shows it.")
            args = {
                "request": asked["request"],
                "digest": asked["digest"],
                "verdict": "deny" if deny else "allow",
                "reason": reason,
                "scope": "task" if for_task else "once",
            }
            told = command(new_command(), "approve", args, task=task)
            return await _tell(person, gateway, told, wait_seconds=wait_seconds)

    return asyncio.run(work())


@click.command()
@click.argument("task")
@click.option("--reason", default="", help="Why, for the record.")
@_waiting
@person_of
def cancel(person: Person, *, task: str, reason: str, wait_seconds: float) -> int:
    """Withdraw a task; its worker stops."""

    async def work() -> int:
        async with await person.sign_in(may_be_away=True) as gateway:
            told = command(new_command(), "cancel", {"reason": reason}, task=task)
            return await _tell(person, gateway, told, wait_seconds=wait_seconds)

    return asyncio.run(work())


@click.command()
@click.option("--drop", default="", metavar="ID", help="Take this one out, unsent.")
@_waiting
@person_of
def outbox(person: Person, *, drop: str, wait_seconds: float) -> int:
    """Send what is kept, and list what remains."""

    async def work() -> int:
        async with await person.sign_in(may_be_away=True) as gateway:
            kept = person.outbox(gateway)
            if drop and not kept.remove(drop):
                raise Trouble(f"Nothing with the id {drop} is kept.", "`errand outbox` lists it.")
            for last in kept.waiting()[-1:]:
                try:
                    await _deliver(person, gateway, last, wait_seconds=wait_seconds)
                except Trouble as trouble:  # what remains is listed all the same
                    person.console.print(Text(plain(trouble.what), style="yellow"))
            return _list(kept.waiting(), person.console)

    return asyncio.run(work())


def _list(waiting: list[Command], console: Console) -> int:
    table = Table("id", "what", "task", "with", box=None, pad_edge=False)
    for each in waiting:
        said = Text(plain(each.args.decode()), overflow="ellipsis", no_wrap=True)
        table.add_row(each.id, each.op, each.task, said)
    if waiting:
        console.print(table)
    return KEPT_CODE if waiting else 0


def keep(person: Person, gateway: Gateway, told: Command) -> int:
    """Keep a command for later, and say so. Raises Trouble when it cannot be kept."""
    person.outbox(gateway).keep(told)
    person.console.print(Text(_KEPT, style="yellow"))
    return KEPT_CODE


async def _tell(person: Person, gateway: Gateway, told: Command, *, wait_seconds: float) -> int:
    person.outbox(gateway).keep(told)
    if await _deliver(person, gateway, told, wait_seconds=wait_seconds):
        return 0
    person.console.print(Text(_KEPT, style="yellow"))
    return KEPT_CODE


async def _deliver(person: Person, gateway: Gateway, told: Command, *, wait_seconds: float) -> bool:
    """Send what is kept, in order, up to this command; False when that cannot be done just now.

    Raises Trouble with the gateway's words when this one is refused; what becomes of older ones is
    said on the console. The wait is for each answer, not for all.
    """
    kept = person.outbox(gateway)
    stream = Stream(gateway, device=person.device, tasks={}, outbox=kept)
    try:
        async with aclosing(stream.items()) as items, asyncio.timeout(wait_seconds) as patience:
            async for item in items:
                match item:
                    case Done(command=told.id):
                        return True
                    case NotDone(command=told.id, is_final=True, problem=problem):
                        where = "; ".join(f"{f.pointer}: {f.detail}" for f in problem.errors)
                        raise Trouble(problem.detail, where)
                    case NotDone(command=earlier, is_final=True, problem=problem):
                        said = f"Kept earlier ({earlier}): {problem.detail}"
                        person.console.print(Text(plain(said), style="yellow"))
                    case NotDone():
                        continue  # not just now: the wait goes on
                    case _:
                        pass
                patience.reschedule(asyncio.get_running_loop().time() + wait_seconds)
    except TimeoutError:
        pass
    return told not in kept.waiting()  # another `errand` may have sent it
