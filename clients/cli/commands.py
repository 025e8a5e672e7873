"""What a person can type. Each command is one question to the gateway and what is shown of it."""

import asyncio
import os
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from clients.cli import checkout, screen
from clients.cli.doctor import examine
from clients.cli.extensions import Extensible
from clients.cli.gateway import JSON, Gateway, Unreachable, new_command
from clients.cli.looking_back import diff, replay, show
from clients.cli.outbox import command
from clients.cli.person import Person, person_of
from clients.cli.sign_in import SessionFile, redeem
from clients.cli.telling import approve, cancel, keep, outbox, say
from clients.cli.trouble import Trouble
from clients.cli.watching import Watch

T = TypeVar("T")
_EXIT_CODES = {"finished": 0, "failed": 1, "cancelled": 3}
_ANSWERED_LATER = 4


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@click.group(cls=Extensible, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--gateway", envvar="ERRAND_URL", default="", help="The gateway's URL.")
@click.option(
    "--config",
    envvar="ERRAND_CONFIG",
    default="~/.config/errand",
    show_default=True,
    help="Where sessions are kept.",
)
@click.version_option(package_name="errand")
@click.pass_context
def errand(context: click.Context, gateway: str, config: str) -> None:
    """Send a coding agent on an errand; get back a branch, a pull request and an honest account."""
    environment: Mapping[str, str] = context.obj or {}
    context.obj = Person(
        gateway=gateway,
        token=environment.get("ERRAND_TOKEN", ""),
        environment=environment,
        device=f"cli-{os.getpid()}",
        sessions=SessionFile(Path(config).expanduser() / "sessions.json"),
        console=Console(highlight=False, soft_wrap=False),
        folder=Path.cwd(),
    )


@errand.command()
@click.argument("prompt")
@click.option("--repository", "-r", default=".", show_default=True, help="A path or a URL.")
@click.option("--base", "-b", default="", help="The branch to start from.")
@click.option("--model", "-m", default="", help="The model, instead of the gateway's own.")
@click.option(
    "--budget", type=click.FloatRange(min=0), default=0.0, help="What it may cost, in US dollars."
)
@click.option(
    "--policy",
    type=click.Choice(["never", "risky", "always"]),
    default=None,
    help="Before which tool calls to ask you; never, unless you say so.",
)
@click.option("--json", "is_json", is_flag=True, help="Print the events as JSON, one a line.")
@click.option("--detach", is_flag=True, help="Do not wait for the end.")
@person_of
def run(  # noqa: PLR0913 - one parameter an option, by click's way
    person: Person,
    *,
    prompt: str,
    repository: str,
    base: str,
    model: str,
    budget: float,
    policy: str | None,
    is_json: bool,
    detach: bool,
) -> int:
    """Send a task and show every step until it has ended."""
    body: JSON = {"prompt": prompt, "repository": {"url": repository}}
    if policy:
        body["policy"] = policy
    if base:
        body["repository"]["base"] = base
    if model:
        body["model"] = model
    if budget:
        body["budget"] = {"cost_microusd": round(budget * 1_000_000)}
    return _run(_send(person, body, is_json=is_json, is_detached=detach))


async def _send(person: Person, body: JSON, *, is_json: bool, is_detached: bool) -> int:
    async with await person.sign_in(may_be_away=True) as gateway:
        lent = await _lend(person, body["repository"])
        command_id = new_command()
        try:
            task = await gateway.post("/v1/tasks", body, command=command_id)
        except Unreachable as away:
            person.console.print(Text(away.what, style="yellow"))
            return keep(person, gateway, command(command_id, "submit", body))
        if is_detached:
            person.console.print(task["id"])
            return 0
        code, ended = await _watch(person, gateway, str(task["id"]), is_json=is_json)
        if lent is not None and ended.get("branch"):
            branch = str(ended["branch"])
            await checkout.bring_back(lent, branch, person.forge(), environment=person.environment)
            if not is_json:
                person.console.print(Text(f"The branch {branch} is in {lent.path} now."))
        return code


def _path(person: Person, text: str) -> Path:
    return person.folder / Path(text).expanduser()


async def _lend(person: Person, repository: JSON) -> checkout.Lent | None:
    """Replace a path in the command by where the local forge has it."""
    if "://" in repository["url"]:
        return None
    path = _path(person, repository["url"])
    if not await asyncio.to_thread(path.is_dir):
        raise Trouble(f"{path} is neither a folder nor a URL.", "Give --repository one of the two.")
    lent = await checkout.lend(
        path, repository.get("base", ""), person.forge(), environment=person.environment
    )
    repository |= {"url": lent.url, "base": lent.base}
    return lent


@errand.command()
@click.argument("task")
@click.option("--after", default=0, help="Leave out the events up to this version.")
@click.option("--json", "is_json", is_flag=True, help="Print the events as JSON, one a line.")
@person_of
def watch(person: Person, *, task: str, after: int, is_json: bool) -> int:
    """Show a task from its beginning, and on until it has ended."""

    async def work() -> int:
        async with await person.sign_in() as gateway:
            return (await _watch(person, gateway, task, is_json=is_json, after=after))[0]

    return _run(work())


async def _watch(
    person: Person, gateway: Gateway, task: str, *, is_json: bool, after: int = 0
) -> tuple[int, JSON]:
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
    return _EXIT_CODES.get(str(ended["phase"]), _ANSWERED_LATER), ended


def _summary(task: JSON) -> Text:
    spent = screen.money(int(task.get("cost_microusd", 0)))
    turns, calls = task.get("turns", 0), task.get("tool_calls", 0)
    added, removed = task.get("insertions", 0), task.get("deletions", 0)
    changed = f"{task.get('files_changed', 0)} files +{added} -{removed}"
    return Text(
        f"{task['phase']} · {turns} turns · {calls} tool calls · {changed} · {spent}", style="dim"
    )


@errand.command("list")
@click.option("--phase", default="", help="Only tasks in this phase.")
@click.option("--limit", default=20, show_default=True, help="How many.")
@person_of
def list_tasks(person: Person, phase: str, limit: int) -> int:
    """List the newest tasks."""

    async def work() -> JSON:
        async with await person.sign_in() as gateway:
            return await gateway.get("/v1/tasks", state=phase, limit=limit)

    whole = Column("task", no_wrap=True)  # it is copied from here
    table = Table(whole, "phase", "title", "cost", "pull request", box=None, pad_edge=False)
    for task in _run(work())["data"]:
        waiting = f" ({task['waiting']})" if task.get("waiting") else ""
        url = (task.get("pull_request") or {}).get("url", "")
        spent = screen.money(int(task.get("cost_microusd", 0)))
        title = Text(screen.plain(str(task["title"])), overflow="ellipsis", no_wrap=True)
        table.add_row(
            task["id"],
            f"{task['phase']}{waiting}",
            title,
            spent,
            Text(screen.plain(url), overflow="fold"),
        )
    person.console.print(table)
    return 0


@errand.command()
@click.argument("url")
@click.argument("code")
@person_of
def pair(person: Person, url: str, code: str) -> int:
    """Sign in to a gateway with a pairing code."""
    url = url.rstrip("/")
    person.sessions.keep(url, _run(redeem(url, code, os.uname().nodename)))
    person.console.print(f"Signed in to {url}.")
    return 0


@errand.command()
@person_of
def doctor(person: Person) -> int:
    """Look at what is installed, reachable and allowed, and say what to do about the rest."""

    async def work() -> bool:
        async with AsyncExitStack() as resources:
            try:
                gateway = await resources.enter_async_context(await person.sign_in())
            except Trouble:
                gateway = None
            findings = await examine(gateway, person.folder, person.environment)
        for finding in findings:
            mark, style = ("✓", "green") if finding.is_well else ("✗", "red")
            line = Text.assemble(
                (f"{mark} ", style), (f"{finding.name:<12}", "bold"), finding.found
            )
            person.console.print(line)
            if finding.remedy:
                person.console.print(Text(f"  {'':<12}{finding.remedy}", style="yellow"))
        return all(finding.is_well for finding in findings)

    return 0 if _run(work()) else 1


for each in (say, approve, cancel, outbox, show, replay, diff):
    errand.add_command(each)
