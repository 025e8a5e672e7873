"""What a person tells a task. It is kept in the outbox until it is answered, today or tomorrow."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from clients.cli.commands.watch import ENDED, follow, run_following
from clients.cli.context import Person, person_of
from clients.cli.errors import Trouble
from clients.cli.gateway.client import JSON, Gateway, Unreachable, new_command, remedy_of
from clients.cli.gateway.task_ids import find_task
from clients.cli.stream.client import Stream
from clients.cli.stream.command_sender import Done, NotDone
from clients.cli.stream.outbox import Command, command
from clients.cli.terminal.prompts import chosen
from clients.cli.view.event_view import money, plain
from clients.cli.view.phase_text import phase_of

KEPT_CODE: Final = 5
"""The exit code of a command that is kept for later."""

_KEPT = "The gateway does not answer now. This is kept, and is sent with your next command."

wait_option = click.option(
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
@click.option(
    "--withdraw", is_flag=True, help="Withdraw the call that waits for your approval, and say this."
)
@click.option("--watch", "-w", "is_watched", is_flag=True, help="Then show it until it has ended.")
@wait_option
@person_of
def say(
    person: Person,
    *,
    task: str,
    text: str,
    later: bool,
    withdraw: bool,
    is_watched: bool,
    wait_seconds: float,
) -> int:
    """Say something to a task: an instruction, or the answer to what it asks.

    A number answers with the option of that number.
    """

    async def work() -> int:
        async with await person.sign_in(may_be_away=True) as gateway:
            found = await find_task(gateway, task)
            state = await read_state(gateway, found)
            if state.get("approval") and not (later or withdraw):
                raise _approval_waits(found, state["approval"], text)
            told, done = _said(found, state, text, is_later=later)
            code = await send_command(person, gateway, told, wait_seconds=wait_seconds, done=done)
            if code == 0 and is_watched:
                return await follow(person, gateway, found)
            return code

    return run_following(person, work())


def _said(task: str, state: JSON, text: str, *, is_later: bool) -> tuple[Command, str]:
    """Make the command, and the words for when it stands in the log."""
    if question := state.get("question"):
        answer = chosen(question.get("options") or (), text)
        args = {"request": question["request"], "text": answer}
        return command(new_command(), "answer", args, task=task), f"Answered “{answer}”"
    instruction = {"text": text, "mode": "queue" if is_later else "steer"}
    when = "The agent gets it after this turn" if is_later else "The agent gets it at its next step"
    return command(new_command(), "instruct", instruction, task=task), when


def _approval_waits(task: str, approval: JSON, text: str) -> Trouble:
    """Refuse what would withdraw a call by accident: the person may have meant to allow it."""
    title = plain(str(approval["title"]))
    return Trouble(
        f"Nothing was sent: the task waits for your approval of “{title}”, and an instruction now"
        " would withdraw that call.",
        f"Allow it: errand approve {task} {approval['request']}\n"
        f"  Refuse it: errand approve {task} {approval['request']} --deny --reason …\n"
        f"  Withdraw it and say “{plain(text)[:40]}”: add --withdraw. After the turn: --later.",
    )


async def read_state(gateway: Gateway, task: str, *, at_least: int = 0) -> JSON:
    """Return the task at a version or later, as far as it is known: nothing without a gateway."""
    query = {"wait_version": at_least} if at_least else {}
    try:
        return await gateway.get(f"/v1/tasks/{task}", **query)
    except Unreachable:
        return {}


@click.command()
@click.argument("task")
@click.argument("request", default="")
@click.option("--deny", is_flag=True, help="Do not allow it.")
@click.option("--reason", default="", help="Why, for the agent and the record.")
@click.option("--for-task", is_flag=True, help="Also allow similar calls for this task.")
@wait_option
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
    """Allow, or deny, the call for which a task asks your approval; `errand show` shows it.

    With the REQUEST that was shown, nothing else is answered.
    """
    if deny and for_task:
        raise click.UsageError("--for-task also allows similar calls; it does not go with --deny.")

    async def work() -> int:
        async with await person.sign_in() as gateway:
            found = await find_task(gateway, task)
            asked = (await gateway.get(f"/v1/tasks/{found}")).get("approval")
            if not asked or request not in ("", asked["request"]):
                said = "asks for another approval now" if asked else "has no pending approval"
                raise Trouble(f"This task {said}.", f"`errand show {found}` shows it.")
            args = {
                "request": asked["request"],
                "digest": asked["digest"],
                "verdict": "deny" if deny else "allow",
                "reason": reason,
                "scope": "task" if for_task else "once",
            }
            told = command(new_command(), "approve", args, task=found)
            title = plain(str(asked["title"]))
            done = f"{'Denied' if deny else 'Allowed'}: {title}"
            done += ", and similar calls for this task" if for_task else ""
            return await send_command(person, gateway, told, wait_seconds=wait_seconds, done=done)

    return asyncio.run(work())


@click.command()
@click.argument("task")
@click.option("--reason", default="", help="Why, for the record.")
@wait_option
@person_of
def cancel(person: Person, *, task: str, reason: str, wait_seconds: float) -> int:
    """Withdraw a task; its worker stops."""

    async def work() -> int:
        async with await person.sign_in(may_be_away=True) as gateway:
            found = await find_task(gateway, task)
            phase = (await read_state(gateway, found)).get("phase")
            if phase in ENDED:
                person.console.print(
                    Text(f"{found} has ended already ({phase}); there is nothing to cancel.")
                )
                return 0
            told = command(new_command(), "cancel", {"reason": reason}, task=found)
            done = "Cancelled; its worker stops"
            return await send_command(person, gateway, told, wait_seconds=wait_seconds, done=done)

    return asyncio.run(work())


@click.command()
@click.option("--drop", default="", metavar="ID", help="Take this one out, unsent.")
@wait_option
@person_of
def outbox(person: Person, *, drop: str, wait_seconds: float) -> int:
    """Send what is kept, and list what remains."""

    async def work() -> int:
        async with await person.sign_in(may_be_away=True) as gateway:
            kept = person.outbox(gateway)
            if drop:
                dropped = _kept_command(kept.waiting(), drop)
                kept.remove(dropped.id)
                person.console.print(Text(f"Dropped, unsent: {_described(dropped)}"))
            for last in kept.waiting()[-1:]:
                try:
                    await _deliver(person, gateway, last, wait_seconds=wait_seconds)
                except Trouble as trouble:  # what remains is listed all the same
                    person.console.print(Text(plain(trouble.what), style="yellow"))
            return _list(kept.waiting(), person.console)

    return asyncio.run(work())


def _kept_command(waiting: Sequence[Command], named: str) -> Command:
    """Find what is kept by its id or the beginning of it. Raises Trouble."""
    found = [each for each in waiting if each.id.startswith(named)]
    if len(found) == 1:
        return found[0]
    said = "More than one id begins" if found else "Nothing is kept whose id begins"
    raise Trouble(f"{said} with {named}.", "`errand outbox` lists them.")


def _described(kept: Command) -> str:
    return f"{kept.op} {kept.task}".strip()


def _list(waiting: list[Command], console: Console) -> int:
    """List what is kept: the id whole, for --drop needs it; the rest as far as there is room."""
    for each in waiting:
        said = plain(each.args.decode())
        line = Text(f"{each.id}  {_described(each)}  {said}")
        if console.is_terminal:
            line.truncate(max(console.width, len(each.id) + 20), overflow="ellipsis")
        console.print(line)
    return KEPT_CODE if waiting else 0


def keep(person: Person, gateway: Gateway, told: Command) -> int:
    """Keep a command for later, and say so. Raises Trouble when it cannot be kept."""
    person.outbox(gateway).keep(told)
    person.console.print(Text(_KEPT, style="yellow"))
    return KEPT_CODE


async def send_command(
    person: Person,
    gateway: Gateway,
    told: Command,
    *,
    wait_seconds: float,
    done: str,
    shows_state: bool = False,
) -> int:
    """Keep a command, send it, and print `done`, the version and, if asked for, the new state."""
    person.outbox(gateway).keep(told)
    version = await _deliver(person, gateway, told, wait_seconds=wait_seconds)
    if version is not None:
        place = f" (version {version})" if version else ""
        now = await _standing(gateway, told.task, version) if shows_state else ""
        person.console.print(Text(f"{plain(done)}{place}{now}."))
        return 0
    person.console.print(Text(_KEPT, style="yellow"))
    return KEPT_CODE


async def _standing(gateway: Gateway, task: str, version: int) -> str:
    """Return the phase and the cost of a task since a command; empty when it cannot be read."""
    state = await read_state(gateway, task, at_least=version)
    if not state:
        return ""
    return f": {phase_of(state)}, {money(int(state.get('cost_microusd', 0)))} of model calls so far"


async def _deliver(
    person: Person, gateway: Gateway, told: Command, *, wait_seconds: float
) -> int | None:
    """Send what is kept, in order, up to this command; None when that cannot be done just now.

    Gives the version at which it stands in the log, 0 when another `errand` has sent it.

    Raises Trouble with the gateway's words when this one is refused; what becomes of older ones is
    said on the console. The wait is for each answer, not for all.
    """
    kept = person.outbox(gateway)
    stream = Stream(gateway, device=person.device, tasks={}, outbox=kept)
    try:
        async with aclosing(stream.items()) as items, asyncio.timeout(wait_seconds) as patience:
            async for item in items:
                match item:
                    case Done(command=told.id, version=version):
                        return version
                    case NotDone(command=told.id, is_final=True, problem=problem):
                        raise Trouble(problem.detail, remedy_of(problem.detail, problem.errors))
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
    return None if told in kept.waiting() else 0
