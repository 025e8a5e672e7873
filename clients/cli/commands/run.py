"""`errand run`: a task is sent, with the repository it is for, and followed to its end."""

import asyncio
import re
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from clients.cli.commands.send_instruction import keep
from clients.cli.commands.watch import follow, run_following
from clients.cli.context import Person, person_of
from clients.cli.errors import Trouble
from clients.cli.gateway.client import JSON, Gateway, Unreachable, new_command
from clients.cli.local_stacks import is_same_gateway
from clients.cli.repository import local_forge
from clients.cli.stream.outbox import command
from events.protocol.local_stack import LocalForge

_OWN_SOURCE: Final = "infra/local/__main__.py"
_SSH: Final = re.compile(r"(?:ssh://)?[\w.-]+@(?P<host>[\w.-]+)(?::\d+/|[:/])(?P<path>[^:]+)")
_BARE_URL: Final = re.compile(r"(?P<host>[\w-]+(?:\.[\w-]+)+)/(?P<path>[\w.-]+/[\w./-]+)")
_SHORT: Final = re.compile(r"[\w-]+/[\w.-]+")


@click.command()
@click.argument("prompt")
@click.option(
    "--repository",
    "-r",
    default=None,
    help="A folder or a URL; without it, the repository you stand in.",
)
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
@click.option(
    "--include-changes", is_flag=True, help="Also send what is not committed in the folder."
)
@click.option("--json", "is_json", is_flag=True, help="Print the events as JSON, one a line.")
@click.option("--detach", is_flag=True, help="Do not wait for the end.")
@person_of
def run(  # noqa: PLR0913 - one parameter an option, by click's way
    person: Person,
    *,
    prompt: str,
    repository: str | None,
    base: str,
    model: str,
    budget: float,
    policy: str | None,
    include_changes: bool,
    is_json: bool,
    detach: bool,
) -> int:
    """Send a task and show every step until it has ended."""
    if repository is not None and not repository.strip():
        raise click.BadParameter("It is empty. Give a folder or a URL.", param_hint="--repository")
    body: JSON = {"prompt": prompt, "repository": {"url": repository or "."}}
    if policy:
        body["policy"] = policy
    if base:
        body["repository"]["base"] = base
    if model:
        body["model"] = model
    if budget:
        body["budget"] = {"cost_microusd": round(budget * 1_000_000)}
    if repository is None:
        _tell_of_own_source(person)
    sending = _send(person, body, with_changes=include_changes, is_json=is_json, is_detached=detach)
    return run_following(person, sending)


async def _send(
    person: Person, body: JSON, *, with_changes: bool, is_json: bool, is_detached: bool
) -> int:
    async with await person.sign_in(may_be_away=True) as gateway:
        await _send_repository(person, gateway, body, with_changes=with_changes)
        command_id = new_command()
        try:
            task = str((await gateway.post("/v1/tasks", body, command=command_id))["id"])
        except Unreachable as away:
            person.console.print(Text(away.what, style="yellow"))
            return keep(person, gateway, command(command_id, "submit", body))
        if is_detached:
            person.console.print(Text(task))
            return 0
        if is_json:
            person.tell(f"task {task}")
        else:
            person.console.print(Text(f"Task {task}", style="dim"))
        return await follow(person, gateway, task, is_json=is_json)


async def _send_repository(
    person: Person, gateway: Gateway, body: JSON, *, with_changes: bool
) -> None:
    """Replace a folder in the command by where the local forge has it; read a URL as meant."""
    repository: JSON = body["repository"]
    path = person.path(repository["url"])
    if "://" in repository["url"] or not await asyncio.to_thread(path.is_dir):
        if with_changes:
            raise Trouble("--include-changes is for a folder, and this is a URL.")
        repository["url"] = _url(repository["url"], path)
        return
    forge = person.forge()
    stack = person.stack()
    if stack is not None and not is_same_gateway(stack.gateway, gateway.url):
        forge = LocalForge()
    lent = await local_forge.lend(
        path,
        repository.get("base", ""),
        forge,
        environment=person.environment,
        with_changes=with_changes,
        tell=person.tell,
    )
    person.sent().keep(lent.url, lent.path)
    repository |= {"url": lent.url, "base": lent.base}
    if lent.inside:
        person.tell(
            f"The whole repository {lent.path} is sent; the agent is told of {lent.inside}."
        )
        body["prompt"] += f"\n\nI am in the folder `{lent.inside}` of the repository."


def _url(text: str, path: Path) -> str:
    """Read what people write for a repository on a forge; every forge is spoken to by https."""
    if matched := _SSH.fullmatch(text) or _BARE_URL.fullmatch(text):
        return f"https://{matched['host']}/{matched['path'].strip('/')}"
    if "://" in text:
        return text
    if _SHORT.fullmatch(text) and not text.startswith("."):
        return f"https://github.com/{text}"
    raise Trouble(
        f"{path} is neither a folder nor a URL.",
        "Give --repository a folder, a URL such as https://github.com/OWNER/NAME, or OWNER/NAME.",
    )


def _tell_of_own_source(person: Person) -> None:
    """Say so when the repository one stands in is Errand's own: few mean that."""
    for folder in (person.folder, *person.folder.parents):
        if (folder / ".git").exists():
            if (folder / _OWN_SOURCE).is_file():
                person.tell(
                    f"this sends Errand's own source, for you stand in {folder};"
                    " --repository names another."
                )
            return
