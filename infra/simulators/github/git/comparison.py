"""Comparison of two branches: commits, files and the diff, read from git."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.simulators.github.git.command import Git, GitFailed, TooMuch
from infra.simulators.github.http.messages import Refusal

_MAX_DIFF_BYTES = 4 << 20
_DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
_COMMIT_FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B")
_STATUS = {"A": "added", "D": "removed"}


@dataclass(frozen=True)
class Person:
    """Author or committer, with the time."""

    name: str
    email: str
    date: datetime


@dataclass(frozen=True)
class Commit:
    """One commit; `parents` are object names, the first one first."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


@dataclass(frozen=True)
class ChangedFile:
    """One file of a diff; `patch` is empty for a binary one."""

    name: str
    status: str
    additions: int
    deletions: int
    patch: str


async def commits(git: Git, path: Path, *revisions: str, limit: int = 250) -> list[Commit]:
    """Read the commits of a range, oldest first, at most the `limit` newest of them."""
    form = "--format=tformat:" + "%x00".join(_COMMIT_FIELDS)
    command = ("log", "-z", "--reverse", f"-n{limit}", form, *revisions, "--")
    values = _fields(await git.read(path, *command))
    size = len(_COMMIT_FIELDS)
    return [_commit(values[start : start + size]) for start in range(0, len(values), size)]


def _commit(values: list[str]) -> Commit:
    sha, tree, parents, *people, message = values
    return Commit(
        sha=sha,
        tree=tree,
        parents=tuple(parents.split()),
        author=Person(people[0], people[1], datetime.fromisoformat(people[2])),
        committer=Person(people[3], people[4], datetime.fromisoformat(people[5])),
        message=message.rstrip("\n"),
    )


async def count(git: Git, path: Path, base: str, head: str) -> int:
    """Count the commits `head` has that `base` has not."""
    return int(await git.read(path, "rev-list", "--count", f"{base}..{head}", "--"))


async def are_related(git: Git, path: Path, base: str, head: str) -> bool:
    """Return whether the two have any history in common."""
    return await git.holds(path, "merge-base", base, head)


async def contains(git: Git, path: Path, commit: str, *, within: str) -> bool:
    """Return whether `within` has `commit` in its history."""
    return await git.holds(path, "merge-base", "--is-ancestor", commit, within)


async def diff(git: Git, path: Path, base: str, head: str) -> str:
    """Read what `head` changed since it left `base`; raises Refusal 406 when it is too large."""
    try:
        return await _diff(git, path, base, head)
    except TooMuch:
        error = {"resource": "PullRequest", "field": "diff", "code": "too_large"}
        message = f"Sorry, the diff exceeded the maximum size ({_MAX_DIFF_BYTES} bytes)"
        raise Refusal(406, message, [error]) from None


async def changed_files(git: Git, path: Path, base: str, head: str) -> list[ChangedFile]:
    """Read the changed files in git's order, each with its part of the diff."""
    between = f"{base}...{head}"
    try:
        numbers = await git.read(path, *_DIFF, "--numstat", "-z", between, "--")
        letters = await git.read(path, *_DIFF, "--name-status", "-z", between, "--")
    except GitFailed:
        return []
    counts = [line.split("\t", 2) for line in _fields(numbers)]
    statuses = _fields(letters)[::2]
    try:
        patches = _patches(await _diff(git, path, base, head))
    except TooMuch:
        patches = []
    if len(patches) != len(counts):  # too large, or a file that became a link: then no patches
        patches = [""] * len(counts)
    return [
        ChangedFile(
            name=name,
            status=_STATUS.get(status, "modified"),
            additions=_number(added),
            deletions=_number(removed),
            patch=patch,
        )
        for (added, removed, name), status, patch in zip(counts, statuses, patches, strict=True)
    ]


async def _diff(git: Git, path: Path, base: str, head: str) -> str:
    between = f"{base}...{head}"
    try:
        text = await git.read(path, *_DIFF, between, "--", limit_bytes=_MAX_DIFF_BYTES)
    except GitFailed:
        return ""  # the two no longer have any history in common
    return text.decode(errors="replace")


def _fields(output: bytes) -> list[str]:
    return output.decode(errors="replace").split("\0")[:-1]


def _number(text: str) -> int:
    return 0 if text == "-" else int(text)


def _patches(text: str) -> list[str]:
    """Cut a diff into one text a file, each from its first hunk on."""
    parts = ("\n" + text).split("\ndiff --git ")[1:]
    return ["@@" + part.split("\n@@", 1)[1] if "\n@@" in part else "" for part in parts]
