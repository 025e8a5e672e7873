"""Commands `changes` and `output`: what the work has changed so far, and a call's whole output."""

import asyncio

import click
import msgspec
from rich.text import Text

from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.task_history import read_event
from clients.cli.gateway.task_ids import find_task
from clients.cli.terminal.output import write_bytes
from clients.cli.view.changes_view import changes_view
from clients.cli.view.event_view import diff_lines, plain
from events import ModelReplied, Recorded, ToolCompleted
from events.protocol.api.changes import WorkChanges, WorkPatch

_AT = "A version of the task's history. Default: the newest."


@click.command()
@click.argument("task")
@click.argument("path", default="")
@click.option("--at", default="", help=_AT)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
@pass_cli_context
def changes(context: CliContext, *, task: str, path: str, at: str, is_json: bool) -> int:
    """List the files that a task's work has changed, or print the patch of one of them.

    Also while the task runs: as of the newest snapshot of its work.
    """

    async def work() -> WorkChanges | WorkPatch:
        async with await context.sign_in() as gateway:
            address = f"/v1/tasks/{await find_task(gateway, task)}/changes"
            if path:
                return await gateway.get(f"{address}/patch", WorkPatch, path=path, at=at)
            return await gateway.get(address, WorkChanges, at=at)

    found = asyncio.run(work())
    if is_json:
        write_bytes(msgspec.json.encode(found) + b"\n")
    elif isinstance(found, WorkChanges):
        context.console.print(changes_view(found))
    else:
        _print_patch(context, found)
    return 0


@click.command()
@click.argument("task")
@click.argument("version", type=click.IntRange(min=1))
@pass_cli_context
def output(context: CliContext, task: str, version: int) -> int:
    """Print the whole output of a tool call, or a reply of the model, by its version.

    To a pipe the bytes are written as they are.
    """

    async def work() -> bytes:
        async with await context.sign_in() as gateway:
            found = await find_task(gateway, task)
            event = await read_event(gateway, found, version)
            if event is None:
                raise CliError(
                    f"This task has no version {version} yet.",
                    f"`errand replay {found}` shows its history.",
                )
            held = _held(event)
            if held is not None:
                return held
            content = await gateway.content(f"/v1/tasks/{found}/events/{version}/content")
            return _text_of(content) if isinstance(event.event, ModelReplied) else content

    content = asyncio.run(work())
    if context.console.is_terminal:
        shown = "\n".join(plain(each) for each in content.decode(errors="replace").split("\n"))
        context.console.print(Text(shown))
    else:
        write_bytes(content)
    return 0


def _held(recorded: Recorded) -> bytes | None:
    """Return what an event holds itself; None when it is stored apart. Raises CliError."""
    match recorded.event:
        case ToolCompleted(artifact=None, output=text):
            return text.encode()
        case ModelReplied(blob=None, blocks=blocks):
            return _text_of(msgspec.json.encode(blocks))
        case ToolCompleted() | ModelReplied():
            return None
        case _:
            raise CliError(
                f"Version {recorded.version} is neither the end of a tool call nor a reply.",
                f"`errand replay {recorded.task}` shows what it is.",
            )


def _text_of(blocks: bytes) -> bytes:
    """Return the text of a reply; tool calls and thinking are left out."""
    texts = (b.get("text", "") for b in msgspec.json.decode(blocks) if b.get("type") == "text")
    return "\n\n".join(texts).encode()


def _print_patch(context: CliContext, found: WorkPatch) -> None:
    """Print a patch; whether it is whole goes to stderr, so that a pipe gets the patch alone."""
    if context.console.is_terminal:
        lines = diff_lines(found.patch, found.patch.count("\n") + 1)
        context.console.print(*lines, sep="\n")
    else:
        write_bytes(found.patch.encode())
    if found.file.is_truncated:
        click.echo(
            "errand: the patch is not whole: it is longer than a worker stores. "
            "`errand fetch` brings the branch once it is pushed.",
            err=True,
        )
