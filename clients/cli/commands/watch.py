"""A task followed to its end: shown step by step, then its branch brought back where it belongs."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from rich.text import Text

from clients.cli.commands.fetch import fetch_branch, is_from_here
from clients.cli.context import Person
from clients.cli.errors import Stopped
from clients.cli.gateway.client import JSON, Gateway
from clients.cli.terminal.task_watcher import Watch
from clients.cli.view import event_view

T = TypeVar("T")

EXIT_CODES: Final = {"finished": 0, "failed": 1, "cancelled": 3}
ENDED: Final = frozenset(EXIT_CODES)

_ANSWERED_LATER: Final = 4


def run_following(person: Person, work: Coroutine[Any, Any, T]) -> T:
    """Run what follows a task. Raises Stopped, with the task's id, when Ctrl-C ends it."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise Stopped(person.followed) from None


async def follow(
    person: Person, gateway: Gateway, task: str, *, is_json: bool = False, after: int = 0
) -> int:
    """Show a task until it has ended, and bring its branch back. Gives the exit code."""
    person.followed = task
    watched = Watch(
        gateway,
        task,
        device=person.device,
        console=person.console,
        outbox=person.outbox(gateway),
        is_json=is_json,
    )
    ended = await watched.until_end(after=after)
    if not is_json:
        person.console.print(_summary(ended))
    if ended.get("branch") and is_from_here(person, ended):
        where = await fetch_branch(person, ended)
        if not is_json:
            person.console.print(
                Text(f"The branch {ended['branch']} is in {os.fspath(where)} now.")
            )
    return EXIT_CODES.get(str(ended["phase"]), _ANSWERED_LATER)


def _summary(task: JSON) -> Text:
    parts = [
        str(task["phase"]),
        event_view.counted(int(task.get("turns", 0)), "turn"),
        event_view.counted(int(task.get("tool_calls", 0)), "tool call"),
    ]
    if files := int(task.get("files_changed", 0)):
        added, removed = task.get("insertions", 0), task.get("deletions", 0)
        parts.append(f"{event_view.counted(files, 'file')} +{added} -{removed}")
    parts.append(event_view.money(int(task.get("cost_microusd", 0))))
    return Text(" · ".join(parts), style="dim")
