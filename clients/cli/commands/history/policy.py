"""Command `errand policy test`: a policy of approvals, tried on tasks of the past."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

import click
import msgspec
from rich.console import Group
from rich.text import Text

from clients.cli.commands.list_tasks import newest_tasks
from clients.cli.commands.rule_option import rule_option
from clients.cli.context import CliContext, pass_cli_context
from clients.cli.gateway.task_ids import find_task
from clients.cli.gateway.worker_checks import PolicyTrial, TriedCall, try_policy
from clients.cli.terminal.output import write_bytes
from events import ApprovalRule, Policy

_MAX_TASKS = 200
_MARKS = {"ask": ("?", "yellow"), "deny": ("✖", "red")}


@click.group()
def policy() -> None:
    """Try policies and rules of approval before you send a task with them."""


@policy.command("test")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option(
    "--policy",
    "wanted",
    type=click.Choice(get_args(Policy)),
    default="never",
    show_default=True,
    help="The policy to try.",
)
@rule_option
@click.option(
    "--last",
    type=click.IntRange(1, _MAX_TASKS),
    default=10,
    show_default=True,
    help="Try it on so many of the newest tasks, where no TASK is given.",
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object per task.")
@pass_cli_context
def test_policy(
    context: CliContext,
    *,
    tasks: tuple[str, ...],
    wanted: Policy,
    rules: tuple[ApprovalRule, ...],
    last: int,
    is_json: bool,
) -> int:
    """List the calls of past tasks that a policy would have asked about, or denied.

    Nothing runs again and nobody is asked. What a task would have done after a denied call is not
    known: the calls after it are judged as they were made.
    """

    async def work() -> list[PolicyTrial]:
        async with await context.sign_in() as gateway:
            if tasks:
                chosen = [await find_task(gateway, each) for each in tasks]
            else:
                chosen = [
                    each.id for each in (await newest_tasks(gateway, {"search": ""}, last)).data
                ]
            return [await try_policy(gateway, each, wanted, rules) for each in chosen]

    trials = asyncio.run(work())
    if is_json:
        write_bytes(b"".join(msgspec.json.encode(trial) + b"\n" for trial in trials))
    else:
        context.console.print(Group(*_view(trials)))
    return 0


def _view(trials: Sequence[PolicyTrial]) -> Iterator[Text]:
    for trial in trials:
        if trial.tried:
            yield Text(trial.task, style="bold")
            yield from map(_line, trial.tried)
    met = [call for trial in trials for call in trial.tried]
    asked = [call for call in met if call.verdict == "ask"]
    first = sum(not call.is_repeated for call in asked)
    yield Text(
        f"{len(trials)} tasks, {sum(trial.calls for trial in trials)} calls: "
        f"{len(asked)} asked about ({first} if each answer were for the whole task), "
        f"{len(met) - len(asked)} denied."
    )
    for reasons, count in Counter(call.reasons for call in met).most_common():
        yield Text(f"  {count} x {reasons}", style="dim")


def _line(call: TriedCall) -> Text:
    mark, style = _MARKS[call.verdict]
    line = Text.assemble((f"  {mark} ", style), f"#{call.version} {call.title}  ")
    return line.append(call.reasons, style="dim")
