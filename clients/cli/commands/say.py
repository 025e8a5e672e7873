"""Commands `errand say`, `errand edit` and `errand withdraw`: instructions, and answers."""

import asyncio
from pathlib import Path

import click
from msgspec.structs import replace

from clients.cli.commands.delivery import read_state, send_command, wait_option
from clients.cli.commands.follow import follow, run_following
from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.client import new_command_id
from clients.cli.gateway.images import upload_images
from clients.cli.gateway.task_ids import find_task
from clients.cli.stream.outbox import Command, command
from clients.cli.terminal.prompts import resolve_option
from clients.cli.view.event_view import plain
from events.protocol.api.requests import (
    InstructionEditRequest,
    InstructionRequest,
    InstructionWithdrawalRequest,
    QuestionAnswerRequest,
)
from events.protocol.task_state import Approval, TaskState


@click.command()
@click.argument("task")
@click.argument("text")
@click.option(
    "--later",
    "delivery",
    flag_value="later",
    help="Deliver it after the current turn, instead of at the next step.",
)
@click.option(
    "--image",
    "images",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="An image (PNG, JPEG, GIF, WebP) that goes with it; may be given ten times.",
)
@click.option(
    "--withdraw",
    "delivery",
    flag_value="withdraw",
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
    delivery: str | None,
    images: tuple[Path, ...],
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
            if state and state.approval and not delivery:
                raise _pending_approval(found, state.approval, text)
            said = InstructionRequest(text=text, mode="queue" if delivery == "later" else "steer")
            if images:
                said = replace(said, attachments=await upload_images(gateway, images))
            told, done = _command(found, state, said)
            code = await send_command(context, gateway, told, wait_seconds=wait_seconds, done=done)
            if code == 0 and is_watched:
                return await follow(context, gateway, found)
            return code

    return run_following(context, work())


@click.command()
@click.argument("task")
@click.argument("instruction", type=click.IntRange(min=2), metavar="VERSION")
@click.argument("text")
@wait_option
@pass_cli_context
def edit(
    context: CliContext, *, task: str, instruction: int, text: str, wait_seconds: float
) -> int:
    """Change the instruction at a version, which the agent has not taken up yet."""

    async def work() -> int:
        async with await context.sign_in(allow_unreachable=True) as gateway:
            found = await find_task(gateway, task)
            args = InstructionEditRequest(instruction=instruction, text=text)
            told = command(new_command_id(), "edit_instruction", args, task=found)
            done = f"Changed the instruction at version {instruction}"
            return await send_command(context, gateway, told, wait_seconds=wait_seconds, done=done)

    return asyncio.run(work())


@click.command()
@click.argument("task")
@click.argument("instruction", type=click.IntRange(min=2), metavar="[VERSION]", required=False)
@wait_option
@pass_cli_context
def withdraw(
    context: CliContext, *, task: str, instruction: int | None, wait_seconds: float
) -> int:
    """Withdraw an instruction that the agent has not taken up: the newest, or that at a version."""

    async def work() -> int:
        async with await context.sign_in(allow_unreachable=True) as gateway:
            found = await find_task(gateway, task)
            version = instruction or _newest(found, await read_state(gateway, found))
            args = InstructionWithdrawalRequest(instruction=version)
            told = command(new_command_id(), "withdraw_instruction", args, task=found)
            done = f"Withdrew the instruction at version {version}"
            return await send_command(context, gateway, told, wait_seconds=wait_seconds, done=done)

    return asyncio.run(work())


def _newest(task: str, state: TaskState | None) -> int:
    """Return the version of the newest instruction that waits. Raises CliError when none does."""
    if state is None:
        raise CliError(
            "The gateway is unreachable, so which instruction waits is not known.",
            f"Name its version, as `errand watch {task} --json` shows it.",
        )
    if not state.instructions:
        raise CliError(
            "No instruction waits: the agent has taken all of them up.",
            f'Say something else with `errand say {task} "…"`, or stop it with `errand interrupt`.',
        )
    return state.instructions[-1].version


def _command(task: str, state: TaskState | None, said: InstructionRequest) -> tuple[Command, str]:
    """Return the command, and the text to print when it is stored."""
    if state and state.question and not said.attachments:
        answer = resolve_option(state.question.options, said.text)
        args = QuestionAnswerRequest(request=state.question.request, text=answer)
        return command(new_command_id(), "answer", args, task=task), f"Answered “{answer}”"
    when = (
        "The agent receives it after this turn"
        if said.mode == "queue"
        else "The agent receives it at its next step"
    )
    return command(new_command_id(), "instruct", said, task=task), when


def _pending_approval(task: str, approval: Approval, text: str) -> CliError:
    """Return the error for an instruction that would withdraw a pending call by accident."""
    title = plain(approval.title)
    return CliError(
        f"Nothing was sent: the task waits for your approval of “{title}”, and an instruction now"
        " would withdraw that call.",
        f"Allow it: errand approve {task} {approval.request}\n"
        f"  Deny it: errand approve {task} {approval.request} --deny --reason …\n"
        f"  Withdraw it and send “{plain(text)[:40]}”: add --withdraw. After this turn: --later.",
    )
