"""Commands that look back: a task as it was, its history played again, two versions compared.

They read and do nothing else: no event is appended, no machine, model or forge is asked for
anything.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import click
import msgspec
from rich.text import Text

from clients.cli.context import Person, person_of
from clients.cli.errors import Trouble
from clients.cli.gateway.task_history import Past, Reading, events, past
from clients.cli.gateway.task_ids import find_task
from clients.cli.terminal.output import write_bytes
from clients.cli.terminal.playback import Playback
from clients.cli.view import event_view
from clients.cli.view import task_view as shown
from clients.cli.view.edits import DIFF, Edit, StoredDiff, edits, stored_diff
from events import Recorded

_AT = "A version, or an RFC 3339 time such as 2026-01-31T12:00:00Z."
_TOLD = "as the tools told them; what shell commands changed is not among them"


@click.command()
@click.argument("task")
@click.option("--at", default="", help=f"{_AT} Left out: as it is now.")
@click.option("--json", "is_json", is_flag=True, help="Print it as one JSON object.")
@person_of
def show(person: Person, *, task: str, at: str, is_json: bool) -> int:
    """Show a task as it was: phase, plan, conversation, spend and edits at a version or time."""

    async def work() -> tuple[Past, list[Edit], tuple[StoredDiff, str] | None]:
        async with await person.sign_in() as gateway:
            found = await find_task(gateway, task)
            then = await past(gateway, found, at)
            history = await _history(gateway, found, then.version)
            kept = stored_diff(history)
            diff = await _diff(gateway, found, kept) if kept else ""
            return then, edits(history), (kept, diff) if kept else None

    then, made, kept = asyncio.run(work())
    if is_json:
        write_bytes(msgspec.json.encode(_as_json(then, made, kept)) + b"\n")
        return 0
    person.console.print(shown.state_of(then))
    if kept and kept[1]:
        heading = f"The branch against its base, as stored at version {kept[0].version}"
        person.console.print(shown.whole_diff(kept[1], heading))
        made = [edit for edit in made if edit.version > kept[0].version]
    elif kept:
        note = f"\nThe diff stored at version {kept[0].version} has been replaced by a later one."
        person.console.print(Text(note, style="dim"))
    if made:
        since = "since then" if kept and kept[1] else "so far"
        person.console.print(shown.edits_of(made, f"Edits {since}, {_TOLD}"))
    return 0


@click.command()
@click.argument("task")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="How many times as fast as it happened.",
)
@click.option("--after", default=0, help="Leave out the events up to this version.")
@click.option(
    "--longest-pause",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    help="Cut longer waits between two events to so many seconds.",
)
@click.option("--json", "is_json", is_flag=True, help="Print the events as JSON, one a line.")
@person_of
def replay(
    person: Person, *, task: str, speed: float, after: int, longest_pause: float, is_json: bool
) -> int:
    """Play a task's history as a phone saw it. Space pauses, n or → steps, + and - set the pace.

    Nothing happens again: the history is read and shown.
    """

    async def work() -> None:
        async with await person.sign_in() as gateway:
            found = await find_task(gateway, task)
            head = (await past(gateway, found)).head
            playback = Playback(
                person.console,
                speed=speed,
                longest_pause_seconds=longest_pause,
                head=head,
                is_json=is_json,
            )
            async with aclosing(events(gateway, found, after=after, up_to=head)) as history:
                await playback.play(history)

    asyncio.run(work())
    return 0


@click.command()
@click.argument("task")
@click.argument("one", default="", metavar="[V1]")
@click.argument("other", default="", metavar="[V2]")
@person_of
def diff(person: Person, *, task: str, one: str, other: str) -> int:
    """Print a task's diff as a patch; with V1 (and V2), what changed between two versions.

    The patch is of the task's branch against its base: `errand diff TASK | git apply`. A version
    may be a time, and V2 left out is now.
    """
    if not one:
        return _patch(person, task)

    async def work() -> tuple[Past, Past, list[Recorded]]:
        async with await person.sign_in() as gateway:
            found = await find_task(gateway, task)
            two = [await past(gateway, found, one), await past(gateway, found, other)]
            before, after = sorted(two, key=lambda each: each.version)
            # From the beginning, so that a call which began before is known by its title.
            return before, after, await _history(gateway, found, after.version)

    before, after, history = asyncio.run(work())
    person.console.print(shown.changes(before, after))
    made = [edit for edit in edits(history) if edit.version > before.version]
    if made:
        person.console.print(shown.edits_of(made, f"Edits, {_TOLD}"))
    return 0


def _patch(person: Person, task: str) -> int:
    """Print the newest diff of the whole branch: to a pipe byte for byte."""

    async def work() -> bytes:
        async with await person.sign_in() as gateway:
            found = await find_task(gateway, task)
            state = await gateway.get(f"/v1/tasks/{found}")
            listed = (await gateway.get(f"/v1/tasks/{found}/artifacts"))["data"]
            if not any(each["media_type"] == DIFF for each in listed):
                raise Trouble(
                    f"This task has no diff yet ({state['phase']}).",
                    f"`errand show {found}` shows the edits it has made so far.",
                )
            return await gateway.content(f"/v1/tasks/{found}/diff")

    patch = asyncio.run(work())
    if person.console.is_terminal:
        text = patch.decode(errors="replace")
        person.console.print(*event_view.diff_lines(text, text.count("\n") + 1), sep="\n")
    else:
        write_bytes(patch)
    return 0


async def _history(gateway: Reading, task: str, up_to: int) -> list[Recorded]:
    async with aclosing(events(gateway, task, up_to=up_to)) as history:
        return [recorded async for recorded in history]


async def _diff(gateway: Reading, task: str, kept: StoredDiff) -> str:
    """Fetch the stored diff; empty when a later one has taken its name, for it alone is served."""
    listed: list[dict[str, Any]] = (await gateway.get(f"/v1/tasks/{task}/artifacts"))["data"]
    if not any(each["version"] == kept.version for each in listed):
        return ""
    content = await gateway.content(f"/v1/tasks/{task}/artifacts/{kept.name}")
    return content.decode(errors="replace")


def _as_json(
    then: Past, made: Sequence[Edit], kept: tuple[StoredDiff, str] | None
) -> dict[str, Any]:
    stored = {"version": kept[0].version, "name": kept[0].name, "diff": kept[1]} if kept else None
    return {
        "state": then.state,
        "conversation": then.conversation,
        "head": then.head,
        "edits": [edit._asdict() for edit in made],
        "stored_diff": stored,
    }
