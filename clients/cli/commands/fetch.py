"""Command `errand fetch`: fetches a task's branch into the local repository."""

import asyncio
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.task_ids import find_task
from clients.cli.repository import local_forge
from clients.cli.repository.git import Git
from clients.cli.repository.sent_repositories import name_of
from events import task_branch
from events.protocol.task_state import TaskState

_OWNER: Final = "errand/"


@click.command()
@click.argument("task")
@click.option(
    "--into",
    default="",
    help="Repository to fetch into, instead of the one the task was sent from.",
)
@pass_cli_context
def fetch(context: CliContext, task: str, into: str) -> int:
    """Fetch a task's branch into the repository it was sent from, or into this one."""

    async def work() -> tuple[TaskState, Path]:
        async with await context.sign_in() as gateway:
            path = f"/v1/tasks/{await find_task(gateway, task)}"
            state = await gateway.get(path, TaskState)
        if not state.branch:
            raise CliError(
                f"This task has not pushed a branch yet; it is {state.phase}.",
                f"`errand watch {state.id}` follows it and fetches the branch when it ends.",
            )
        return state, await fetch_branch(context, state, into=into)

    state, where = asyncio.run(work())
    context.console.print(Text(f"Branch {state.branch} is now in {where}."))
    return 0


def came_from_this_machine(context: CliContext, state: TaskState) -> bool:
    """Return whether the task's repository was sent from a folder that is still on this machine."""
    return _is_local(context, state) and context.sent().folder(state.repository.url) is not None


async def fetch_branch(context: CliContext, state: TaskState, *, into: str = "") -> Path:
    """Fetch a task's branch; return the local repository. Raises CliError.

    A branch on the local forge is fetched with the stack's token, one on another forge with what
    the user's git is configured to use.
    """
    folder = await _folder(context, state, into)
    branch, url = _branch(state), state.repository.url
    if _is_local(context, state):
        forge = context.forge()
        url = f"{forge.url}/{name_of(url)}.git"  # the forge's port may have changed
        pushed = local_forge.PushedRepository(folder, url, "")
        await local_forge.fetch_task_branch(pushed, branch, forge, environment=context.environment)
        return folder
    git = Git(folder, context.environment)
    here = f"refs/heads/{branch}"
    await git.run("fetch", "--quiet", "--", url, f"{here}:{here}", is_for_remote=True)
    return folder


def _branch(state: TaskState) -> str:
    """Return the task's branch. Raises CliError for any branch that a task may not push.

    A worker writes the branch's name into the history, and git would create or move a local branch
    of that name here.
    """
    expected = task_branch(state.id)
    if state.branch == expected:
        return expected
    raise CliError(
        f"This task's history names the branch “{state.branch}”, but its work is only ever on"
        f" {expected}. Nothing was fetched.",
        "Look at that branch on the forge. If you trust it, fetch it with git yourself.",
    )


async def _folder(context: CliContext, state: TaskState, into: str) -> Path:
    """Return the local repository of a task: never an unrelated one that is the current folder."""
    if into:
        return context.path(into)
    if known := context.sent().folder(state.repository.url):
        return known
    name = name_of(state.repository.url)
    remotes = await Git(context.folder, context.environment).try_run("remote", "-v")
    if any(name in (word.removesuffix(".git"))[-len(name) :] for word in remotes.split()):
        return context.folder
    raise CliError(
        f"Errand does not know where {name} is on this machine.",
        f"Change to that repository and run: errand fetch {state.id} --into .",
    )


def _is_local(context: CliContext, state: TaskState) -> bool:
    forge = context.forge()
    is_loopback = state.repository.url.startswith(("http://127.0.0.1:", "http://localhost:"))
    return bool(forge.url) and is_loopback and name_of(state.repository.url).startswith(_OWNER)
