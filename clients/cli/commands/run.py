"""Commands `errand run` and `errand fork`: submit a task and follow it to its end."""

import asyncio
import re
from pathlib import Path
from typing import Final, get_args

import click
from msgspec.structs import replace
from rich.text import Text

from clients.cli.commands.delivery import keep
from clients.cli.commands.follow import follow, run_following
from clients.cli.commands.rule_option import rule_option
from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway, Unreachable, new_command_id
from clients.cli.gateway.images import upload_images
from clients.cli.gateway.task_ids import find_task
from clients.cli.local_stacks import is_same_gateway
from clients.cli.repository import local_forge
from clients.cli.repository.environment_file import read_environment
from clients.cli.stream.outbox import command
from events import ApprovalRule, Egress, Policy
from events.protocol.api.environments import EnvironmentRequest
from events.protocol.api.requests import (
    BudgetRequest,
    ForkRequest,
    RepositoryRequest,
    TaskRequest,
)
from events.protocol.local_stack import LocalForge
from events.protocol.task_state import TaskState

_OWN_SOURCE: Final = "infra/local/__main__.py"
_SSH: Final = re.compile(r"(?:ssh://)?[\w.-]+@(?P<host>[\w.-]+)(?::\d+/|[:/])(?P<path>[^:]+)")
_BARE_URL: Final = re.compile(r"(?P<host>[\w-]+(?:\.[\w-]+)+)/(?P<path>[\w.-]+/[\w./-]+)")
_SHORT: Final = re.compile(r"[\w-]+/[\w.-]+")
_image_option: Final = click.option(
    "--image",
    "images",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="An image (PNG, JPEG, GIF, WebP) that goes with the prompt; may be given ten times.",
)


@click.command()
@click.argument("prompt")
@click.option(
    "--repository",
    "-r",
    default=None,
    help="A folder or a URL. Default: the repository of the current folder.",
)
@click.option("--base", "-b", default="", help="Branch to start from.")
@click.option("--model", "-m", default="", help="Model to use, instead of the gateway's default.")
@click.option(
    "--budget", type=click.FloatRange(min=0), default=0.0, help="Maximum cost, in US dollars."
)
@click.option(
    "--policy",
    type=click.Choice(get_args(Policy)),
    default="never",
    show_default=True,
    help="Which tool calls need your approval.",
)
@rule_option
@_image_option
@click.option(
    "--environment",
    "environment_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="A TOML file that says how the repository is set up, for this task alone.",
)
@click.option("--setup", default="", help="Script that sets the repository up, for this task.")
@click.option(
    "--egress",
    type=click.Choice(get_args(Egress)),
    default=None,
    help="What the agent's commands may reach. Default: off.",
)
@click.option("--include-changes", is_flag=True, help="Also send the folder's uncommitted changes.")
@click.option("--json", "is_json", is_flag=True, help="Print the events as JSON, one per line.")
@click.option("--detach", is_flag=True, help="Print the task's id and do not follow it.")
@pass_cli_context
def run(  # noqa: PLR0913 - one parameter an option, by click's way
    context: CliContext,
    *,
    prompt: str,
    repository: str | None,
    base: str,
    model: str,
    budget: float,
    policy: Policy,
    rules: tuple[ApprovalRule, ...],
    images: tuple[Path, ...],
    environment_file: Path | None,
    setup: str,
    egress: Egress | None,
    include_changes: bool,
    is_json: bool,
    detach: bool,
) -> int:
    """Submit a task and show every step until it has ended."""
    if repository is not None and not repository.strip():
        raise click.BadParameter(
            "The value is empty. Give a folder or a URL.", param_hint="--repository"
        )
    request = TaskRequest(
        prompt=prompt,
        repository=RepositoryRequest(url=repository or ".", base=base),
        model=model,
        policy=policy,
        rules=rules,
        environment=_environment(environment_file, setup, egress),
    )
    if budget:
        request = replace(request, budget=BudgetRequest(cost_microusd=round(budget * 1_000_000)))
    if repository is None:
        _note_own_source(context)
    sending = _send(
        context,
        request,
        images=images,
        with_changes=include_changes,
        is_json=is_json,
        is_detached=detach,
    )
    return run_following(context, sending)


def _environment(file: Path | None, setup: str, egress: Egress | None) -> EnvironmentRequest | None:
    """Return the environment that the options name; None: what the repository has otherwise."""
    if file is None and not setup and egress is None:
        return None
    if file is None and not setup:
        raise CliError(
            "--egress needs to know the set-up too: a task that names its environment goes by that "
            "alone.",
            'Add --environment FILE or --setup "…"; an empty set-up is --setup true.',
        )
    wanted = read_environment(file) if file is not None else EnvironmentRequest()
    wanted = replace(wanted, setup=setup) if setup else wanted
    return replace(wanted, agent_egress=egress) if egress else wanted


async def _send(
    context: CliContext,
    request: TaskRequest,
    *,
    images: tuple[Path, ...],
    with_changes: bool,
    is_json: bool,
    is_detached: bool,
) -> int:
    async with await context.sign_in(allow_unreachable=True) as gateway:
        request = await _with_repository(context, gateway, request, with_changes=with_changes)
        request = replace(request, attachments=await upload_images(gateway, images))
        submission = command(new_command_id(), "submit", request)
        try:
            made = await gateway.post("/v1/tasks", request, TaskState, command=submission.id)
        except Unreachable as away:
            context.console.print(Text(away.message, style="yellow"))
            return keep(context, gateway, submission)
        return await _follow_new(context, gateway, made, is_json=is_json, is_detached=is_detached)


async def _follow_new(
    context: CliContext, gateway: Gateway, made: TaskState, *, is_json: bool, is_detached: bool
) -> int:
    if is_detached:
        context.console.print(Text(made.id))
        return 0
    if is_json:
        context.notify(f"task {made.id}")
    else:
        context.console.print(Text(f"Task {made.id}", style="dim"))
    return await follow(context, gateway, made.id, is_json=is_json)


@click.command()
@click.argument("task")
@click.argument("prompt")
@click.option(
    "--at",
    type=click.IntRange(min=1),
    default=None,
    help="Version of the task to begin from. Default: the newest.",
)
@click.option("--model", "-m", default="", help="Model to use, instead of the task's.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Maximum cost, in US dollars, instead of the task's.",
)
@click.option(
    "--policy",
    type=click.Choice(get_args(Policy)),
    default=None,
    help="Which tool calls need your approval. Default: as in the task.",
)
@_image_option
@click.option("--json", "is_json", is_flag=True, help="Print the events as JSON, one per line.")
@click.option("--detach", is_flag=True, help="Print the new task's id and do not follow it.")
@pass_cli_context
def fork(  # noqa: PLR0913 - one parameter an option, by click's way
    context: CliContext,
    *,
    task: str,
    prompt: str,
    at: int | None,
    model: str,
    budget: float,
    policy: Policy | None,
    images: tuple[Path, ...],
    is_json: bool,
    detach: bool,
) -> int:
    """Submit a new task that begins from another one as it was at a version.

    It begins with that task's files, as its newest snapshot then had them, and an account of the
    conversation so far. The other task is not changed.
    """
    request = ForkRequest(at=at or 0, prompt=prompt, model=model, policy=policy)
    if budget:
        request = replace(request, budget=BudgetRequest(cost_microusd=round(budget * 1_000_000)))

    async def work() -> int:
        async with await context.sign_in(allow_unreachable=at is not None) as gateway:
            source = await find_task(gateway, task)
            version = at or (await gateway.get(f"/v1/tasks/{source}", TaskState)).version
            attachments = await upload_images(gateway, images)
            asked = replace(request, at=version, attachments=attachments)
            forking = command(new_command_id(), "fork", asked, task=source)
            try:
                path = f"/v1/tasks/{source}/fork"
                made = await gateway.post(path, asked, TaskState, command=forking.id)
            except Unreachable as away:
                context.console.print(Text(away.message, style="yellow"))
                return keep(context, gateway, forking)
            return await _follow_new(context, gateway, made, is_json=is_json, is_detached=detach)

    return run_following(context, work())


async def _with_repository(
    context: CliContext, gateway: Gateway, request: TaskRequest, *, with_changes: bool
) -> TaskRequest:
    """Push a folder to the local forge and name its URL in the request; complete a short URL."""
    repository = request.repository
    path = context.path(repository.url)
    if "://" in repository.url or not await asyncio.to_thread(path.is_dir):
        if with_changes:
            raise CliError("--include-changes needs a folder, and --repository is a URL.")
        return replace(request, repository=replace(repository, url=_url(repository.url, path)))
    forge = context.forge()
    stack = context.stack()
    if stack is not None and not is_same_gateway(stack.gateway, gateway.url):
        forge = LocalForge()
    pushed = await local_forge.push_repository(
        path,
        repository.base,
        forge,
        environment=context.environment,
        with_changes=with_changes,
        notify=context.notify,
    )
    context.sent().keep(pushed.url, pushed.path)
    prompt = request.prompt
    if pushed.inside:
        context.notify(
            f"The complete repository {pushed.path} is sent; the prompt mentions {pushed.inside}."
        )
        prompt += f"\n\nI am in the folder `{pushed.inside}` of the repository."
    repository = RepositoryRequest(url=pushed.url, base=pushed.base)
    return replace(request, prompt=prompt, repository=repository)


def _url(text: str, path: Path) -> str:
    """Return the https URL of a repository written as URL, SSH address or OWNER/NAME."""
    if matched := _SSH.fullmatch(text) or _BARE_URL.fullmatch(text):
        return f"https://{matched['host']}/{matched['path'].strip('/')}"
    if "://" in text:
        return text
    if _SHORT.fullmatch(text) and not text.startswith("."):
        return f"https://github.com/{text}"
    raise CliError(
        f"{path} is neither a folder nor a URL.",
        "Give --repository a folder, a URL such as https://github.com/OWNER/NAME, or OWNER/NAME.",
    )


def _note_own_source(context: CliContext) -> None:
    """Print a note when the current repository is Errand's own: few people intend that."""
    for folder in (context.folder, *context.folder.parents):
        if (folder / ".git").exists():
            if (folder / _OWN_SOURCE).is_file():
                context.notify(
                    f"this sends Errand's own source, because the current folder is in {folder};"
                    " --repository selects another."
                )
            return
