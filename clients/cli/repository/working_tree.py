"""Preparation of a working tree for a task, with notes on what is not sent."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from clients.cli.errors import CliError
from clients.cli.repository.git import Git

_SHOWN: Final = 5
_CONFLICTS: Final = frozenset({"DD", "AU", "UD", "UA", "DU", "AA", "UU"})
_MESSAGE: Final = "Changes that were not committed"
_SUBMODULE: Final = "160000"


async def prepare(
    git: Git, reference: str, *, with_changes: bool, notify: Callable[[str], None]
) -> str:
    """Return what to push: the branch, or a commit with the uncommitted changes on top of it.

    Notifies of what the agent will not see: changes, submodules, contents of Git LFS. The user's
    index, branches and files are not modified. Raises CliError.
    """
    changes = await _changes(git)
    await _tell_of_submodules(git, reference, notify)
    await _tell_of_lfs(git, reference, notify)
    if not changes:
        return reference
    names = [name for _, name in changes]
    if not with_changes:
        notify(
            f"{_counted(len(names))} not committed and not sent: {_listed(names)}."
            " To send them, add --include-changes."
        )
        return reference
    if conflicts := [name for state, name in changes if state in _CONFLICTS]:
        raise CliError(
            f"There are unresolved conflicts in {_listed(conflicts)}.",
            "Resolve them, or omit --include-changes.",
        )
    notify(f"{_counted(len(names))} not committed but sent: {_listed(names)}.")
    return await _committed(git)


async def _changes(git: Git) -> list[tuple[str, str]]:
    """Return state and name of the files that differ from the last commit, without ignored ones."""
    words = (await git.run("status", "--porcelain=v1", "-z", "--no-renames")).split("\0")
    return [(word[:2], word[3:]) for word in words if word]


async def _committed(git: Git) -> str:
    """Create a commit of the working tree with a temporary index."""
    index = Path(await git.run("rev-parse", "--path-format=absolute", "--git-path", "index"))
    with tempfile.TemporaryDirectory(prefix="errand-") as folder:
        own = Path(folder) / "index"
        with contextlib.suppress(FileNotFoundError):  # a repository without one yet
            shutil.copyfile(index, own)
        more = {"GIT_INDEX_FILE": str(own), **await _author(git)}
        await git.run(
            "-c", "core.fsmonitor=false", "-c", "advice.addEmbeddedRepo=false",
            "add", "--all", more=more,
        )  # fmt: skip
        tree = await git.run("write-tree", more=more)
        return await git.run("commit-tree", tree, "-p", "HEAD", "-m", _MESSAGE, more=more)


async def _author(git: Git) -> dict[str, str]:
    name = await git.try_run("config", "user.name") or "Errand"
    email = await git.try_run("config", "user.email") or "errand@localhost"
    return {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", name), ("EMAIL", email))
    }


async def _tell_of_submodules(git: Git, reference: str, notify: Callable[[str], None]) -> None:
    if not await git.try_run("cat-file", "-t", f"{reference}:.gitmodules"):
        return
    entries = (await git.run("ls-tree", "-r", "-z", reference)).split("\0")
    found = [entry.partition("\t")[2] for entry in entries if entry.startswith(_SUBMODULE)]
    if found:
        notify(f"Submodules are not sent; the agent sees empty folders: {_listed(found)}.")


async def _tell_of_lfs(git: Git, reference: str, notify: Callable[[str], None]) -> None:
    found = await git.try_run(
        "grep", "-l", "-I", "filter=lfs", reference, "--", ":(glob)**/.gitattributes"
    )
    if found:
        notify("Files in Git LFS are sent as pointers; the agent does not see their contents.")


def _counted(number: int) -> str:
    return "1 change is" if number == 1 else f"{number} changes are"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
