"""`errand fetch`: a task's branch, brought into the repository it is for."""

import asyncio
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from clients.cli.context import Person, person_of
from clients.cli.errors import Trouble
from clients.cli.gateway.client import JSON
from clients.cli.gateway.task_ids import find_task
from clients.cli.repository import local_forge
from clients.cli.repository.git import Git
from clients.cli.repository.sent_repositories import name_of

_OWNER: Final = "errand/"


@click.command()
@click.argument("task")
@click.option("--into", default="", help="The repository to fetch into, if not where it came from.")
@person_of
def fetch(person: Person, task: str, into: str) -> int:
    """Fetch the branch of a task into the repository it came from, or into this one."""

    async def work() -> tuple[JSON, Path]:
        async with await person.sign_in() as gateway:
            state = await gateway.get(f"/v1/tasks/{await find_task(gateway, task)}")
        if not state.get("branch"):
            raise Trouble(
                f"This task has pushed no branch ({state['phase']}).",
                f"`errand watch {state['id']}` follows it and fetches the branch at its end.",
            )
        return state, await fetch_branch(person, state, into=into)

    state, where = asyncio.run(work())
    person.console.print(Text(f"The branch {state['branch']} is in {where} now."))
    return 0


def is_from_here(person: Person, state: JSON) -> bool:
    """Whether the task's repository was sent from a folder of this machine that is still there."""
    return _is_local(person, state) and person.sent().folder(_url(state)) is not None


async def fetch_branch(person: Person, state: JSON, *, into: str = "") -> Path:
    """Fetch a task's branch; return the repository it is in. Raises Trouble.

    A branch on Errand's own forge comes with Errand's token, one on another forge with whatever the
    person's git has for it.
    """
    folder = await _folder(person, state, into)
    branch, url = str(state["branch"]), _url(state)
    if _is_local(person, state):
        forge = person.forge()
        url = f"{forge.url}/{name_of(url)}.git"  # the forge's port may have changed
        lent = local_forge.Lent(folder, url, "")
        await local_forge.bring_back(lent, branch, forge, environment=person.environment)
        return folder
    git = Git(folder, person.environment)
    here = f"refs/heads/{branch}"
    await git.run("fetch", "--quiet", "--", url, f"{here}:{here}", is_for_remote=True)
    return folder


async def _folder(person: Person, state: JSON, into: str) -> Path:
    """Find the repository meant: never another one, because one stands in it by chance."""
    if into:
        return person.path(into)
    if known := person.sent().folder(_url(state)):
        return known
    name = name_of(_url(state))
    remotes = await Git(person.folder, person.environment).says("remote", "-v")
    if any(name in (word.removesuffix(".git"))[-len(name) :] for word in remotes.split()):
        return person.folder
    raise Trouble(
        f"It is not known here where {name} is on this machine.",
        f"Go to that repository and say: errand fetch {state['id']} --into .",
    )


def _url(state: JSON) -> str:
    return str(state["repository"]["url"])


def _is_local(person: Person, state: JSON) -> bool:
    forge = person.forge()
    is_loopback = _url(state).startswith(("http://127.0.0.1:", "http://localhost:"))
    return bool(forge.url) and is_loopback and name_of(_url(state)).startswith(_OWNER)
