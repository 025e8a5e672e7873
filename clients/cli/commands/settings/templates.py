"""Command `errand templates`: a person's templates of tasks, and their quick replies."""

import asyncio
from urllib.parse import quote

import click
from rich.console import Console
from rich.text import Text

from clients.cli.context import CliContext, pass_cli_context
from clients.cli.view.event_view import format_usd, plain
from events.protocol.api.templates import Template, TemplateList, TemplateRequest

_PATH = "/v1/me/templates"


@click.command()
@click.option("--task", type=(str, str), default=None, metavar="NAME TEXT", help="Add a task.")
@click.option("--reply", default="", metavar="TEXT", help="Add a quick reply.")
@click.option("--remove", default="", metavar="TEMPLATE", help="Remove one of them.")
@pass_cli_context
def templates(context: CliContext, *, task: tuple[str, str] | None, reply: str, remove: str) -> int:
    """List your templates and quick replies, which all your devices have; add or remove one."""
    added = []
    if task is not None:
        added.append(TemplateRequest(kind="task", name=task[0], text=task[1]))
    if reply:
        added.append(TemplateRequest(kind="reply", text=reply))

    async def work() -> TemplateList:
        async with await context.sign_in() as gateway:
            if remove:
                await gateway.delete(f"{_PATH}/{quote(remove, safe='')}")
            for each in added:
                await gateway.post(_PATH, each, Template)
            return await gateway.get(_PATH, TemplateList)

    _show(context.console, asyncio.run(work()))
    return 0


def _show(console: Console, found: TemplateList) -> None:
    if not found.data:
        console.print(Text("No templates. Add one with: errand templates --task NAME TEXT"))
    for each in found.data:
        content = each.content
        title = content.name if content.kind == "task" else "Quick reply"
        console.print(Text(f"{each.template}  {plain(title)}"), soft_wrap=True)
        console.print(Text(f"  {_one_line(content.text)}", style="dim"), soft_wrap=True)
        if terms := _terms(content):
            console.print(Text(f"  {terms}", style="dim"), soft_wrap=True)


def _terms(content: TemplateRequest) -> str:
    """Return what a task's template fixes besides its text."""
    repository, budget = content.repository, content.budget
    known = [
        repository.url if repository else "",
        repository.base if repository else "",
        content.model,
        f"approvals: {content.policy}" if content.policy else "",
        f"budget {format_usd(budget.cost_microusd)}" if budget and budget.cost_microusd else "",
    ]
    return _one_line(" · ".join(filter(None, known)))


def _one_line(text: str) -> str:
    return " ".join(plain(text).split())
