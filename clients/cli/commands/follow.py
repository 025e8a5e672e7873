"""Following of a task to its end, and fetch of its branch."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from rich.text import Text

from clients.cli.commands.fetch import came_from_this_machine, fetch_branch
from clients.cli.context import CliContext
from clients.cli.errors import FollowInterrupted
from clients.cli.gateway.client import Gateway
from clients.cli.terminal.task_watcher import TaskWatcher
from clients.cli.view import event_view
from events.protocol.task_state import Phase, TaskState

T = TypeVar("T")

EXIT_CODES: Final[dict[Phase, int]] = {"finished": 0, "failed": 1, "cancelled": 3}
_OTHER_PHASE_EXIT_CODE: Final = 4


def run_following(context: CliContext, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that follows a task. Raises FollowInterrupted with its id on Ctrl-C."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise FollowInterrupted(context.followed) from None


async def follow(
    context: CliContext, gateway: Gateway, task: str, *, is_json: bool = False, after: int = 0
) -> int:
    """Show a task until it has ended and fetch its branch. Return the exit code."""
    context.followed = task
    watched = TaskWatcher(
        gateway,
        task,
        device=context.device,
        console=context.console,
        outbox=context.outbox(gateway),
        is_json=is_json,
    )
    ended = await watched.until_end(after=after)
    if not is_json:
        context.console.print(_summary(ended))
    if ended.branch and came_from_this_machine(context, ended):
        where = await fetch_branch(context, ended)
        if not is_json:
            context.console.print(Text(f"Branch {ended.branch} is now in {os.fspath(where)}."))
    return EXIT_CODES.get(ended.phase, _OTHER_PHASE_EXIT_CODE)


def _summary(task: TaskState) -> Text:
    parts = [
        task.phase,
        event_view.format_count(task.turns, "turn"),
        event_view.format_count(task.tool_calls, "tool call"),
    ]
    if task.files_changed:
        files = event_view.format_count(task.files_changed, "file")
        parts.append(f"{files} +{task.insertions} -{task.deletions}")
    parts.append(event_view.format_usd(task.cost_microusd))
    return Text(" · ".join(parts), style="dim")
