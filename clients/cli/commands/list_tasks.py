"""Command `errand list`: the newest tasks, in as many columns as fit the terminal."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, get_args

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from clients.cli.context import CliContext, pass_cli_context
from clients.cli.gateway.client import Gateway
from clients.cli.gateway.task_ids import short_ids
from clients.cli.view import event_view
from clients.cli.view.phase_text import format_short_phase
from events.protocol.api.tasks import Match, TaskPage
from events.protocol.task_state import Phase, TaskState

_MAX_LIMIT: Final = 200
_COST_COLUMNS: Final = 72
_REPOSITORY_COLUMNS: Final = 96
_AGES: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


@click.command("list")
@click.option(
    "--phase",
    type=click.Choice(get_args(Phase)),
    default=None,
    help="List only tasks in this phase.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_LIMIT),
    default=20,
    show_default=True,
    help="Maximum number of tasks.",
)
@click.option(
    "--search",
    default="",
    metavar="WORDS",
    help="List only tasks in which all of these words occur.",
)
@click.option("--archived", is_flag=True, help="List archived tasks too.")
@pass_cli_context
def list_tasks(
    context: CliContext, phase: str | None, limit: int, search: str, *, archived: bool
) -> int:
    """List the newest tasks, or those in which words occur."""
    filters = {"phase": phase or "", "search": search, "archived": "true" if archived else ""}

    async def work() -> TaskPage:
        async with await context.sign_in() as gateway:
            return await newest_tasks(gateway, filters, limit)

    page = asyncio.run(work())
    if not page.data:
        context.console.print(Text(_none_found(phase, search)))
        return 0
    now_seconds = time.time_ns() / 1e9
    table = table_of(page.data, context.console, now_seconds=now_seconds, matches=page.matches)
    show_table(table, context.console)
    return 0


async def newest_tasks(gateway: Gateway, filters: Mapping[str, str], limit: int) -> TaskPage:
    """Return so many tasks; a page of a search may be short, so more pages are asked for."""
    tasks: list[TaskState] = []
    matches: dict[str, Match] = {}
    after = ""
    while True:
        wanted = limit - len(tasks)
        page = await gateway.get("/v1/tasks", TaskPage, **filters, limit=wanted, after=after)
        tasks += page.data
        matches |= page.matches
        if page.next is None or len(tasks) >= limit or not filters["search"]:
            return TaskPage(tasks, page.next, matches)
        after = page.next


def _none_found(phase: str | None, search: str) -> str:
    if search:
        return f"No task has these words: {event_view.plain(search)}"
    return f"No task is {phase}." if phase else 'No tasks yet. Send one with: errand run "…"'


def show_table(table: Table, console: Console) -> None:
    """Print a table; in a file or pipe without trailing spaces."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    console.print(Text("\n".join(lines)))


def table_of(
    tasks: Sequence[TaskState],
    console: Console,
    *,
    now_seconds: float,
    matches: Mapping[str, Match] = MappingProxyType({}),
) -> Table:
    """Return the table: short ids and one line per task in a terminal, everything in a file."""
    is_whole = not console.is_terminal
    has_cost = is_whole or console.width >= _COST_COLUMNS
    has_repository = is_whole or console.width >= _REPOSITORY_COLUMNS
    title = Column("title", ratio=None if is_whole else 1, no_wrap=True, overflow="ellipsis")
    columns = [Column(name, no_wrap=True) for name in ("task", "age", "phase")]
    table = Table(*columns, title, box=None, pad_edge=False, expand=not is_whole)
    for name in [*["repository"] * has_repository, *["cost", "pull request"] * has_cost]:
        table.add_column(
            name, no_wrap=True, overflow="ellipsis", max_width=None if is_whole else 24
        )
    ids = [task.id for task in tasks]
    for task, short in zip(tasks, short_ids(ids), strict=True):
        cells = [
            task.id if is_whole else short,
            _span(task.submitted_at, now_seconds),
            _phase(task, now_seconds),
        ]
        cells += [_one_line(task.title), *[_repository(task)] * has_repository]
        cells += [_cost(task, has_budget=has_repository)] * has_cost
        cells += [_pull_request(task, is_whole=is_whole)] * has_cost
        table.add_row(*map(Text, cells))
        for line in (*_pending_requests(task), *_match(matches.get(task.id))):
            table.add_row("", "", "", Text(line, style="dim"))
    return table


def _pending_requests(task: TaskState) -> Iterator[str]:
    if task.question:
        yield f"? {_one_line(task.question.text)}"
    if task.approval:
        yield f"? {_one_line(task.approval.title)}"
    if task.waiting == "budget" and task.budget_exhausted:
        yield f"? {event_view.format_limit(task.budget_exhausted, task.id)}"


def _match(match: Match | None) -> Iterator[str]:
    """Return where a search found its words, unless the title shows it."""
    if match is not None and match.role != "title":
        yield f"#{match.version} {_one_line(match.snippet)}"


def _one_line(text: str) -> str:
    return " ".join(event_view.plain(text).split())


def _phase(task: TaskState, now_seconds: float) -> str:
    """Return the phase, and for how long a task has been waiting."""
    phase = format_short_phase(task)
    return f"{phase}, {_span(task.since, now_seconds)}" if task.waiting and task.since else phase


def _cost(task: TaskState, *, has_budget: bool) -> str:
    spent = event_view.format_usd(task.cost_microusd)
    limit = task.budget.cost_microusd if task.budget else 0
    return f"{spent} of {event_view.format_usd(limit)}" if limit and has_budget else spent


def _span(since: datetime, now_seconds: float) -> str:
    seconds = max(0.0, now_seconds - since.timestamp())
    for unit_seconds, unit in _AGES:
        if seconds >= unit_seconds:
            return f"{int(seconds // unit_seconds)} {unit}"
    return "now"


def _repository(task: TaskState) -> str:
    url = task.repository.url
    return _one_line("/".join(url.removesuffix(".git").split("/")[-2:]))


def _pull_request(task: TaskState, *, is_whole: bool) -> str:
    if task.pull_request is None:
        return ""
    return _one_line(task.pull_request.url) if is_whole else f"#{task.pull_request.number}"
