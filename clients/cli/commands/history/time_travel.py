"""Commands that read a task's history: `show`, `replay` and `diff`.

They are read-only: they append no event and use no machine, model or forge.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import click
import msgspec
from rich.text import Text

from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.task_history import HistoryReader, read_events, read_past
from clients.cli.gateway.task_ids import find_task
from clients.cli.gateway.worker_checks import ReplayCheck, check_replay
from clients.cli.terminal.output import write_bytes
from clients.cli.terminal.playback import Playback
from clients.cli.view import event_view
from clients.cli.view import task_view as shown
from clients.cli.view.edits import DIFF, Edit, StoredDiff, edits, find_stored_diff
from events import Recorded
from events.protocol.api.tasks import ArtifactList, Message, PastTask
from events.protocol.task_state import TaskState

_AT = "A version, or a time (RFC 3339) such as 2026-01-31T12:00:00Z."
_EDIT_SOURCE = "as reported by tools (changes made by shell commands are not listed)"


class ShownDiff(msgspec.Struct, frozen=True):
    """The stored diff of the branch in the JSON of `errand show`."""

    version: int
    name: str
    diff: str


class ShownTask(msgspec.Struct, frozen=True):
    """The JSON of `errand show`."""

    state: TaskState
    conversation: list[Message]
    head: int
    edits: list[Edit]
    stored_diff: ShownDiff | None


@click.command()
@click.argument("task")
@click.option("--at", default="", help=f"{_AT} Default: the newest version.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
@pass_cli_context
def show(context: CliContext, *, task: str, at: str, is_json: bool) -> int:
    """Show a task's phase, plan, conversation, cost and edits, now or at an earlier version."""

    async def work() -> tuple[PastTask, list[Edit], tuple[StoredDiff, str] | None]:
        async with await context.sign_in() as gateway:
            found = await find_task(gateway, task)
            then = await read_past(gateway, found, at)
            history = await _history(gateway, found, then.state.version)
            kept = find_stored_diff(history)
            diff = await _diff(gateway, found, kept) if kept else ""
            return then, edits(history), (kept, diff) if kept else None

    then, made, kept = asyncio.run(work())
    if is_json:
        write_bytes(msgspec.json.encode(_as_json(then, made, kept)) + b"\n")
        return 0
    context.console.print(shown.task_view(then))
    if kept and kept[1]:
        heading = f"The branch against its base, as stored at version {kept[0].version}"
        context.console.print(shown.branch_diff_view(kept[1], heading))
        made = [edit for edit in made if edit.version > kept[0].version]
    elif kept:
        note = f"\nThe diff stored at version {kept[0].version} has been replaced by a newer one."
        context.console.print(Text(note, style="dim"))
    if made:
        since = "since then" if kept and kept[1] else "so far"
        context.console.print(shown.edits_view(made, f"Edits {since}, {_EDIT_SOURCE}"))
    return 0


@click.command()
@click.argument("task")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Playback speed; 2 is twice as fast as it happened.",
)
@click.option("--after", default=0, help="Skip the events up to and including this version.")
@click.option(
    "--longest-pause",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    help="Maximum pause between two events, in seconds.",
)
@click.option(
    "--check",
    "is_check",
    is_flag=True,
    help="Play nothing; say at which version the worker installed here would do otherwise.",
)
@click.option("--json", "is_json", is_flag=True, help="Print the events as JSON, one per line.")
@pass_cli_context
def replay(
    context: CliContext,
    *,
    task: str,
    speed: float,
    after: int,
    longest_pause: float,
    is_check: bool,
    is_json: bool,
) -> int:
    """Replay a task's history. Space pauses, n or → steps, + and - change the speed.

    The history is only read; nothing runs again. With --check every step and every prompt is
    compared with what today's worker would do; the exit code is 1 at a difference.
    """
    if is_check:
        return _check(context, task, is_json=is_json)

    async def work() -> None:
        async with await context.sign_in() as gateway:
            found = await find_task(gateway, task)
            head = (await read_past(gateway, found)).head
            playback = Playback(
                context.console,
                speed=speed,
                max_pause_seconds=longest_pause,
                head=head,
                is_json=is_json,
            )
            async with aclosing(read_events(gateway, found, after=after, up_to=head)) as history:
                await playback.play(history)

    asyncio.run(work())
    return 0


def _check(context: CliContext, task: str, *, is_json: bool) -> int:
    async def work() -> ReplayCheck:
        async with await context.sign_in() as gateway:
            return await check_replay(gateway, await find_task(gateway, task))

    checked = asyncio.run(work())
    if is_json:
        write_bytes(msgspec.json.encode(checked) + b"\n")
    else:
        context.console.print(_checked_view(checked))
    return 1 if checked.divergence else 0


def _checked_view(checked: ReplayCheck) -> Text:
    other = checked.divergence
    if other is None:
        return Text(f"{checked.events} events: the worker installed here would write the same.")
    return Text(
        f"At version {other.version} the worker installed here would do otherwise.\n"
        f"  The history holds {other.found}.\n"
        f"  The worker would: {other.expected}."
    )


@click.command()
@click.argument("task")
@click.argument("one", default="", metavar="[V1]")
@click.argument("other", default="", metavar="[V2]")
@pass_cli_context
def diff(context: CliContext, *, task: str, one: str, other: str) -> int:
    """Print a task's diff as a patch, or with V1 and V2 what changed between two versions.

    The patch compares the task's branch with its base: `errand diff TASK | git apply`. V1 and V2
    are versions or times; the default of V2 is the newest version.
    """
    if not one:
        return _patch(context, task)

    async def work() -> tuple[PastTask, PastTask, list[Recorded]]:
        async with await context.sign_in() as gateway:
            found = await find_task(gateway, task)
            two = [await read_past(gateway, found, one), await read_past(gateway, found, other)]
            before, after = sorted(two, key=lambda each: each.state.version)
            # From the beginning, so that a call which began before is known by its title.
            return before, after, await _history(gateway, found, after.state.version)

    before, after, history = asyncio.run(work())
    context.console.print(shown.changes(before, after))
    made = [edit for edit in edits(history) if edit.version > before.state.version]
    if made:
        context.console.print(shown.edits_view(made, f"Edits, {_EDIT_SOURCE}"))
    return 0


def _patch(context: CliContext, task: str) -> int:
    """Print the newest diff of the whole branch; to a pipe byte for byte."""

    async def work() -> bytes:
        async with await context.sign_in() as gateway:
            found = await find_task(gateway, task)
            state = await gateway.get(f"/v1/tasks/{found}", TaskState)
            listed = await gateway.get(f"/v1/tasks/{found}/artifacts", ArtifactList)
            if not any(each.media_type == DIFF for each in listed.data):
                raise CliError(
                    f"This task has no diff yet; it is {state.phase}.",
                    f"`errand show {found}` shows the edits it has made so far.",
                )
            return await gateway.content(f"/v1/tasks/{found}/diff")

    patch = asyncio.run(work())
    if context.console.is_terminal:
        text = patch.decode(errors="replace")
        context.console.print(*event_view.diff_lines(text, text.count("\n") + 1), sep="\n")
    else:
        write_bytes(patch)
    return 0


async def _history(gateway: HistoryReader, task: str, up_to: int) -> list[Recorded]:
    async with aclosing(read_events(gateway, task, up_to=up_to)) as history:
        return [recorded async for recorded in history]


async def _diff(gateway: HistoryReader, task: str, kept: StoredDiff) -> str:
    """Return the stored diff; empty when a newer one of the same name has replaced it."""
    listed = await gateway.get(f"/v1/tasks/{task}/artifacts", ArtifactList)
    if not any(each.version == kept.version for each in listed.data):
        return ""
    content = await gateway.content(f"/v1/tasks/{task}/artifacts/{kept.name}")
    return content.decode(errors="replace")


def _as_json(
    then: PastTask, made: Sequence[Edit], kept: tuple[StoredDiff, str] | None
) -> ShownTask:
    stored = ShownDiff(kept[0].version, kept[0].name, kept[1]) if kept else None
    return ShownTask(then.state, then.conversation, then.head, list(made), stored)
