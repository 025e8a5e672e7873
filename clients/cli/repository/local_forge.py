"""Push of a local repository to the local stack's forge, and fetch of the task's branch.

A worker is another machine: it can only clone from a forge. So the repository's current branch is
pushed to the local forge over the same API a GitHub client uses, and when the task has ended its
branch is fetched into the local repository.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx

from clients.cli.errors import CliError
from clients.cli.repository import working_tree
from clients.cli.repository.git import NO_ENVIRONMENT, Git, GitFailed
from events.protocol.local_stack import LocalForge

_CREATED, _EXISTS = 201, 422

Tell = Callable[[str], None]


class PushedRepository(NamedTuple):
    """A local repository and its URL on the forge; `inside` is the current folder within it."""

    path: Path
    url: str
    base: str
    inside: str = ""


def _silent(_: str) -> None:
    return


async def push_repository(
    path: Path,
    base: str,
    forge: LocalForge,
    *,
    environment: Mapping[str, str] = NO_ENVIRONMENT,
    with_changes: bool = False,
    notify: Tell = _silent,
) -> PushedRepository:
    """Push a local repository's branch to the forge. Raises CliError with cause and remedy.

    `with_changes` adds uncommitted changes as a commit that exists on the forge only. `notify`
    receives a note on what is not sent.
    """
    if not forge.url:
        raise CliError(
            f"{path} is a local folder, and no local stack is running that it could be sent to.",
            "Start one with `make run` in Errand's folder, or give the repository's URL.",
        )
    git = Git(path, environment)
    is_bare = await git.run("rev-parse", "--is-bare-repository") == "true"
    top = Path(await git.run("rev-parse", "--absolute-git-dir" if is_bare else "--show-toplevel"))
    if not is_bare:
        git = Git(top, environment)
    branch, reference = await _branch(git, top, base)
    await _deepen(git, top, notify)
    pushed = reference
    if not is_bare:
        is_current = reference == await git.try_run("symbolic-ref", "--quiet", "HEAD")
        if with_changes and not is_current:
            raise CliError(
                f"The uncommitted changes do not belong to the branch {branch}.",
                "Omit --base or --include-changes.",
            )
        pushed = await working_tree.prepare(
            git, reference, with_changes=with_changes, notify=notify
        )
    elif with_changes:
        raise CliError(f"{top} is a bare repository: it has no changes to include.")
    name = f"{_slug(top.name)}-{hashlib.sha256(str(top).encode()).hexdigest()[:6]}"
    owner = await _create(forge, name)
    url = f"{forge.url}/{owner}/{name}.git"
    await git.run(
        *("push", "--quiet", "--no-verify", "--no-signed", "--no-follow-tags"),
        *("--recurse-submodules=no", url, f"+{pushed}:refs/heads/{branch}"),
        token=forge.token,
    )
    return PushedRepository(top, url, branch, "" if is_bare else _inside(path, top))


async def _branch(git: Git, top: Path, base: str) -> tuple[str, str]:
    """Return the branch to start from, and the local reference that has it."""
    branch = base or (await git.try_run("symbolic-ref", "--quiet", "--short", "HEAD"))
    if not branch:
        commit = await git.try_run("rev-parse", "--short", "HEAD")
        raise CliError(
            f"{top} is not on a branch (detached at {commit}).",
            "Give a branch with --base, or create one: git switch -c NAME",
        )
    for reference in (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"):
        if await git.try_run("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}"):
            return branch, reference
    raise CliError(
        f"{top} has no branch {branch} with a commit on it.",
        "Commit something on it, or give another branch with --base.",
    )


async def _deepen(git: Git, top: Path, notify: Tell) -> None:
    """Fetch the missing history of a shallow clone, which a forge would not accept."""
    if await git.run("rev-parse", "--is-shallow-repository") != "true":
        return
    remotes = (await git.run("remote")).splitlines()
    if not remotes:
        raise CliError(
            f"{top} is a shallow clone without a remote: its older history cannot be fetched,"
            " and a forge needs it.",
            "Clone it again without --depth, or add the remote it came from: git remote add",
        )
    remote = "origin" if "origin" in remotes else remotes[0]
    notify(f"{top} is a shallow clone; fetching its older history from {remote} first.")
    try:
        await git.run("fetch", "--quiet", "--unshallow", remote, is_for_remote=True)
    except GitFailed as failed:
        raise CliError(
            f"{top} is a shallow clone, and its older history could not be fetched from {remote}:"
            f" {failed.said}",
            f"Make `git fetch --unshallow {remote}` work in it, then send the task again.",
        ) from None


async def fetch_task_branch(
    pushed: PushedRepository,
    branch: str,
    forge: LocalForge,
    *,
    environment: Mapping[str, str] = NO_ENVIRONMENT,
) -> None:
    """Fetch the task's branch into the local repository, under the same name.

    The user's own commits on it are never overwritten: then the task's commits are fetched to a
    separate reference, which the CliError names.
    """
    git = Git(pushed.path, environment)
    beside, here = f"refs/remotes/errand/{branch}", f"refs/heads/{branch}"
    await git.run("fetch", "--quiet", pushed.url, f"+{here}:{beside}", token=forge.token)
    try:
        if await git.try_run("symbolic-ref", "--quiet", "HEAD") == here:
            await git.run("merge", "--quiet", "--ff-only", beside)
        else:
            await git.run("fetch", "--quiet", ".", f"{beside}:{here}")
    except GitFailed as failed:
        raise CliError(
            f"{branch} in {pushed.path} was not updated, because it has changes of your own"
            f" (rejected: {failed.said.splitlines()[-1]}).",
            f"To merge the task's work: git merge errand/{branch}",
        ) from None
    await git.run("update-ref", "-d", beside)


async def _create(forge: LocalForge, name: str) -> str:
    headers = {"Authorization": f"Bearer {forge.token}", "User-Agent": "errand"}
    async with httpx.AsyncClient(
        base_url=forge.api_url, headers=headers, timeout=20, trust_env=False
    ) as client:
        try:
            owner = str((await client.get("/user")).raise_for_status().json()["login"])
            answer = await client.post("/user/repos", json={"name": name, "private": True})
        except httpx.HTTPError as error:
            raise CliError(
                f"The local forge did not answer: {error}", "Run `errand doctor` to find the cause."
            ) from None
    if answer.status_code not in (_CREATED, _EXISTS):
        raise CliError(f"The forge refused to create {name}: {answer.text[:200]}")
    return owner


def _inside(path: Path, top: Path) -> str:
    inside = path.resolve()
    return "" if inside == top.resolve() else inside.relative_to(top.resolve()).as_posix()


def _slug(name: str) -> str:
    name = name.removesuffix(".git")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "repository"
