"""The bare repository on the worker's side: what comes in is checked, what goes out is made."""

import asyncio
import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from events.protocol.stored_changes import StoredChanges
from infra.git.forge_files import DIFF_OPTIONS, MAX_DIFF_BYTES, changed_forge_files
from services.worker.ports import WorkspaceRefused
from services.worker.workspace.changes import (
    LIST_OPTIONS,
    PATCH_OPTIONS,
    PATCHES_READ_BYTES,
    parse_changes,
)
from services.worker.workspace.git_command import Git
from services.worker.workspace.git_errors import git_message
from services.worker.workspace.limits import WorkspaceLimits

_PLAIN: Final = ("--no-ext-diff", "--no-textconv", "--no-color")
_BLOB: Final = re.compile(rb"[0-9a-f]+ blob (\d+)")
_DIFF_BYTES: Final = 4 * 1024 * 1024


class Author(msgspec.Struct, frozen=True):
    """The author of a commit."""

    name: str = "Errand"
    email: str = "errand@localhost"


class Counts(msgspec.Struct, frozen=True):
    """Counts of a change: files, and lines of those that are text."""

    files: int
    insertions: int
    deletions: int


class BareRepository:
    """Objects, trees and commits of a bare repository."""

    def __init__(self, git: Git, limits: WorkspaceLimits) -> None:
        self._git = git
        self._limits = limits

    async def pack_of(self, commit: str, directory: Path) -> Path:
        """Put a commit and all below it into one pack under a directory; return its file."""
        options = ("--revs", "-q", "--delta-base-offset", str(directory / "base"))
        ended = await self._git.run("pack-objects", *options, stdin=f"{commit}\n".encode())
        if not ended.is_done:
            raise OSError(f"git pack-objects ended with {ended.code}: {ended.stderr.strip()}")
        return directory / f"base-{ended.text.strip()}.pack"

    async def tree_of(self, commit: str) -> str:
        """Return the id of a commit's tree."""
        tree = await self._git.done("rev-parse", "--verify", f"{commit}^{{tree}}")
        return tree.decode().strip()

    async def admit(self, pack: bytes, *, tree: str, base_tree: str) -> None:
        """Let a pack in, if git finds it sound and the tree whole.

        Raises WorkspaceRefused when it does not.
        """
        limit = f"--max-input-size={self._limits.snapshot_bytes}"
        options = ("--stdin", "--fix-thin", "--strict", "--fsck-objects", limit)
        ended = await self._git.run("index-pack", *options, stdin=pack)
        if ended.is_done:
            named = ("--objects", "--no-object-names", "--quiet")
            ended = await self._git.run("rev-list", *named, tree, "--not", base_tree)
        if not ended.is_done:
            raise WorkspaceRefused(
                "push_refused",
                f"git finds the work malformed. {git_message(ended.stderr)}",
                "Look for odd names or a malformed .gitmodules among the changes.",
            )

    async def paths_added(self, base_tree: str, tree: str) -> set[str]:
        """Return the paths that a tree has and the base's does not."""
        if tree == base_tree:
            return set()
        options = ("-r", "-z", "--name-only", "--diff-filter=A", "--no-renames")
        listed = await self._git.done("diff-tree", *options, base_tree, tree)
        return {os.fsdecode(name) for name in listed.split(b"\0") if name}

    async def paths(self, tree: str) -> dict[str, str]:
        """Return the files of a tree or commit, each with its id; of very many the first ones."""
        listed = await self._git.done("ls-tree", "-r", "-z", "--full-tree", tree)
        found = {}
        for entry in listed[: listed.rfind(b"\0") + 1].split(b"\0"):
            kind, _, name = entry.partition(b"\t")
            if name and b" blob " in kind:
                found[os.fsdecode(name)] = kind.rpartition(b" ")[2].decode()
        return found

    async def texts(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """Return the text of files of a commit; one that is missing or no text is left out."""
        wanted = [path for path in paths if "\n" not in path]
        names = "".join(f"{commit}:{path}\n" for path in wanted).encode(errors="surrogateescape")
        ended = await self._git.run("cat-file", "--batch", stdin=names)
        texts: dict[str, str] = {}
        rest = ended.stdout if wanted else b""
        for path in wanted:
            header, _, rest = rest.partition(b"\n")
            found = _BLOB.fullmatch(header)
            if found is None:
                continue
            size = int(found[1])
            with contextlib.suppress(UnicodeDecodeError):
                texts[path] = rest[:size].decode()
            rest = rest[size + 1 :]
        return texts

    async def guarded(self, base_tree: str, tree: str) -> tuple[str, ...]:
        """Return the changed paths that a forge runs or trusts (infra.git.forge_files).

        Raises WorkspaceRefused when more files changed than can be looked through.
        """
        arguments = ("diff-tree", *DIFF_OPTIONS, base_tree, tree)
        ended = await self._git.run(*arguments, output_limit_bytes=MAX_DIFF_BYTES)
        if ended.is_cut:
            raise WorkspaceRefused(
                "push_refused",
                "The work changes more files than can be looked through before a push.",
                "Tell the agent to leave generated files out of the work.",
            )
        if not ended.is_done:
            raise OSError(f"git diff-tree ended with {ended.code}: {ended.stderr.strip()}")
        return changed_forge_files(ended.stdout)

    async def counts(self, base_tree: str, tree: str) -> Counts:
        """Count what changed between two trees."""
        options = ("--numstat", "-r", "-z", "--no-renames", *_PLAIN)
        listed = await self._git.done("diff-tree", *options, base_tree, tree)
        whole = listed[: listed.rfind(b"\0") + 1]  # of very many files the first ones count
        entries = [entry.split(b"\t", 2) for entry in whole.split(b"\0") if entry]
        return Counts(
            files=len(entries),
            insertions=sum(int(added) for added, _, _ in entries if added != b"-"),
            deletions=sum(int(removed) for _, removed, _ in entries if removed != b"-"),
        )

    async def changes(self, base_tree: str, tree: str) -> StoredChanges:
        """Return what changed between two trees, file by file."""
        two = (*_PLAIN, base_tree, tree)
        listed = await self._git.done("diff-tree", *LIST_OPTIONS, *two)
        diff = await self._git.run(
            "diff-tree", *PATCH_OPTIONS, *two, output_limit_bytes=PATCHES_READ_BYTES
        )
        if not (diff.is_done or diff.is_cut):
            raise OSError(f"git diff-tree ended with {diff.code}: {diff.stderr.strip()}")
        return await asyncio.to_thread(parse_changes, listed, diff.stdout, is_cut=diff.is_cut)

    async def diff(self, base_tree: str, tree: str) -> str:
        """Return the unified diff between two trees, at most 4 MiB of it."""
        options = ("-p", "-r", "-M", "-l400", *_PLAIN)
        diff = await self._git.done(
            "diff-tree", *options, base_tree, tree, output_limit_bytes=_DIFF_BYTES + 1
        )
        text = diff[:_DIFF_BYTES].decode(errors="replace")
        if len(diff) > _DIFF_BYTES:
            return text + "\n… the rest of the diff is left out …\n"
        return text

    async def commit(
        self, tree: str, parent: str, message: str, *, author: Author, at: datetime
    ) -> str:
        """Commit a tree on top of a commit; return the commit's id."""
        identity = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (
                ("NAME", author.name),
                ("EMAIL", author.email),
                ("DATE", at.isoformat(timespec="seconds")),
            )
        }
        made = await self._git.run(
            *("commit-tree", tree, "-p", parent, "-F", "-"),
            stdin=message.encode(errors="replace"),
            environment=identity,
        )
        if not made.is_done:
            raise OSError(f"git commit-tree ended with {made.code}: {made.stderr.strip()}")
        return made.text.strip()


def message_of(title: str, body: str, trailers: Mapping[str, str]) -> str:
    """Return a commit message: title, body, trailers (git-interpret-trailers(1))."""
    subject = " ".join(title.split()) or "Errand's work"
    signed = "\n".join(f"{name}: {' '.join(value.split())}" for name, value in trailers.items())
    parts = (subject, body.strip(), signed)
    return "\n\n".join(part for part in parts if part).replace("\0", "") + "\n"
