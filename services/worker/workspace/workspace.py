"""The task's repository: a bare one on the worker's side, a tree in the sandbox.

git runs here on checked objects alone, and in the sandbox on everything else. In goes a pack on
stdin; out comes a pack on stdout, which `index-pack --strict` checks before anything looks at it.
"""

import asyncio
import hashlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from events import LeftOut, SnapshotTaken
from infra.runtime.clock import Clock
from infra.runtime.tree_removal import remove_tree
from services.worker.ports import (
    Blobs,
    ByteTransfer,
    PreparedWorkspace,
    Snapshot,
    WorkspaceRefused,
)
from services.worker.retry import RetryPolicy
from services.worker.workspace.bare_repository import Author, BareRepository, message_of
from services.worker.workspace.git_command import Git
from services.worker.workspace.git_errors import snapshot_lost
from services.worker.workspace.limits import WorkspaceLimits
from services.worker.workspace.remote import Remote
from services.worker.workspace.sandbox_git import Committer, DamagedRepository, SandboxGit, Work

_TREE_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_MOVES: Final = 6
_PAUSE_SECONDS: Final = 1.0


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The repository's address at the broker, the broker's token, the task's branch.

    `retry` says how long to wait for it.
    """

    url: str
    token: str
    branch: str
    retry: RetryPolicy = msgspec.field(default_factory=RetryPolicy)


class Base(msgspec.Struct, frozen=True):
    """The commit that the work is based on, with its branch and its tree."""

    branch: str
    commit: str
    tree: str


class GitWorkspace:
    """Satisfies services.worker.ports.Workspace. `close` removes the bare repository."""

    def __init__(
        self,
        sandbox: ByteTransfer,
        blobs: Blobs,
        origin: Origin,
        *,
        scratch: Path,
        clock: Clock,
        author: Author | None = None,
        limits: WorkspaceLimits | None = None,
    ) -> None:
        self._blobs = blobs
        self._branch = origin.branch
        self._clock = clock
        self._author = author or Author()
        limits = limits or WorkspaceLimits()
        self._sandbox = sandbox
        self._inside = SandboxGit(sandbox, limits)
        self._directory = Path(tempfile.mkdtemp(prefix="repository-", dir=scratch))
        bare = self._directory / "bare.git"
        self._git = Git(
            bare, url=origin.url, token=origin.token, limit_bytes=limits.repository_bytes
        )
        self._bare = BareRepository(self._git, limits)
        self._remote = Remote(self._git, url=origin.url, retry=origin.retry)
        self._base = Base("", "", "")
        self._fetched: tuple[str, str] | None = None
        self._pack: Path | None = None
        self._last = Work("", b"")
        self._shown: Work | None = None
        self._reported: tuple[str, tuple[LeftOut, ...]] = ("", ())
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """Remove the bare repository."""
        await asyncio.to_thread(remove_tree, self._directory)

    async def fetch(self, *, base: str, commit: str = "") -> None:
        """Clone what `prepare` will need; the sandbox is not touched. Raises WorkspaceRefused."""
        async with self._turn:
            await self._fetch(base, commit)

    async def prepare(
        self,
        *,
        base: str,
        commit: str = "",
        restore: SnapshotTaken | None = None,
        is_fork: bool = False,
    ) -> PreparedWorkspace:
        """Clone, and put the tree of the base (or the snapshot's) into the sandbox.

        What `is_fork` restores counts as new, so that the next snapshot reports it. Raises
        WorkspaceRefused, also when the snapshot cannot be had any more.
        """
        async with self._turn:
            if self._fetched != (base, commit):
                await self._fetch(base, commit)
            self._fetched = self._shown = None
            held = self._base
            self._last = Work(held.tree, b"")
            self._reported = (held.tree, ())
            agent = Committer(held.branch, self._author.name, self._author.email)
            await self._inside.check_out(held.commit, *await self._objects(), agent)
            if restore is not None:
                await self._restore(restore)
                self._reported = (held.tree if is_fork else restore.tree, ())
            return PreparedWorkspace(commit=held.commit, base=held.branch, branch=self._branch)

    async def snapshot(self) -> Snapshot | None:
        """Take what the sandbox holds now; None when it is what the last one had and left out.

        Raises WorkspaceRefused when git finds the work malformed, or it is too large.
        """
        async with self._turn:
            taken, self._shown = await self._take(), None
            if (taken.tree, taken.left_out) == self._reported:
                return None
            two = (self._base.tree, taken.tree)
            guarded = await self._bare.guarded(*two)
            async with asyncio.TaskGroup() as group:
                counting = group.create_task(self._bare.counts(*two))
                comparing = group.create_task(self._bare.changes(*two))
            counts = counting.result()
            self._reported = (taken.tree, taken.left_out)
            return Snapshot(
                tree=taken.tree,
                pack=taken.pack,
                files=counts.files,
                insertions=counts.insertions,
                deletions=counts.deletions,
                left_out=taken.left_out,
                guarded=guarded,
                changes=comparing.result(),
            )

    async def diff(self) -> str:
        """Return the unified diff from the base to the work as it stands, at most 4 MiB of it."""
        async with self._turn:
            self._shown = await self._take()
            return await self._bare.diff(self._base.tree, self._shown.tree)

    async def commit_and_push(self, *, title: str, body: str, trailers: Mapping[str, str]) -> str:
        """Commit what `diff` has shown, or else the work as it stands; return the commit's id.

        It is pushed to the task's branch. Work pushed earlier by this task stays below; the same
        work is pushed once. Raises WorkspaceRefused, with reason `no_changes` when there is nothing
        to push; Unreachable when the gateway is away.
        """
        async with self._turn:
            taken, self._shown = self._shown or await self._take(), None
            message = message_of(title, body, trailers)
            wait = self._remote.begin_wait()
            # Most often nothing is pushed yet: that is tried first, and looked up if refused.
            must_look = taken.tree == self._base.tree
            times_moved = 0
            while times_moved < _MAX_MOVES:
                pushed = await self._remote.fetch_pushed(self._branch) if must_look else ""
                if pushed and await self._bare.tree_of(pushed) == taken.tree:
                    return pushed
                if not pushed and taken.tree == self._base.tree:
                    raise WorkspaceRefused(
                        "no_changes", "Nothing was changed.", "Tell the agent what to change."
                    )
                commit = await self._bare.commit(
                    taken.tree,
                    pushed or self._base.commit,
                    message,
                    author=self._author,
                    at=self._clock(),
                )
                match await self._remote.push(commit, self._branch, expected=pushed, wait=wait):
                    case "done":
                        return commit
                    case "moved":
                        await asyncio.sleep(_PAUSE_SECONDS * times_moved)
                        times_moved += 1
                    case "unanswered":
                        pass
                must_look = True
            raise WorkspaceRefused(
                "push_refused",
                f"The branch {self._branch} was moved by others {_MAX_MOVES} times meanwhile.",
                "Check that nobody else pushes to this branch, then say something to the task to "
                "push again.",
            )

    async def paths(self, tree: str) -> Mapping[str, str]:
        """Return the files of a tree or commit, each with its id."""
        return await self._bare.paths(tree)

    async def texts(self, commit: str, paths: Sequence[str]) -> Mapping[str, str]:
        """Return the text of files of a commit; one that is missing or no text is left out."""
        return await self._bare.texts(commit, paths)

    async def finish_set_up(self) -> Sequence[str]:
        """Put back the files of the repository that a set-up changed; return their paths.

        What it added besides is no part of the work from here on. Raises SandboxUnavailable.
        """
        async with self._turn:
            return await self._inside.finish_set_up()

    async def _fetch(self, base: str, commit: str) -> None:
        self._fetched = None
        await asyncio.to_thread(_make_empty, self._git.directory)
        branch, found, self._pack = await self._remote.fetch_base(base, commit)
        self._base = Base(branch, found, await self._bare.tree_of(found))
        self._fetched = (base, commit)

    async def _objects(self) -> tuple[str, Path]:
        """Return what the sandbox gets of the base: where its history ends, and a pack."""
        if self._pack is None:
            self._pack = await self._bare.pack_of(self._base.commit, self._directory)
        return await asyncio.to_thread(_text_of, self._git.directory / "shallow"), self._pack

    async def _restore(self, snapshot: SnapshotTaken) -> None:
        try:
            pack = await self._blobs.get(snapshot.pack.key)
        except LookupError as error:
            raise snapshot_lost(str(error)) from error
        if hashlib.sha256(pack).hexdigest() != snapshot.pack.sha256:
            raise snapshot_lost("What is stored is not what was taken.")
        if not _TREE_ID.fullmatch(snapshot.tree):
            raise snapshot_lost("What was taken is no tree of git's.")
        await self._admit(snapshot.tree, pack)
        if snapshot.tree != self._base.tree:
            await self._inside.restore(snapshot.tree, pack)
        self._last = Work(snapshot.tree, pack)

    async def _take(self) -> Work:
        """Bring the sandbox's tree into the bare repository, checked."""
        last, base, written = self._last, self._base, self._sandbox.written
        try:
            work = await self._inside.take_work(last, base.tree, written)
        except DamagedRepository:  # perhaps the agent broke what is kept inside: put it there again
            await self._inside.store(base.commit, *await self._objects())
            kept = await self._bare.paths_added(base.tree, last.tree)
            work = await self._inside.take_work(last._replace(state=""), base.tree, written | kept)
        if work.tree != last.tree:
            await self._admit(work.tree, work.pack)
        self._last = work
        return work

    async def _admit(self, tree: str, pack: bytes) -> None:
        if tree != self._base.tree:
            await self._bare.admit(pack, tree=tree, base_tree=self._base.tree)


def _make_empty(directory: Path) -> None:
    remove_tree(directory)
    directory.mkdir(parents=True)


def _text_of(file: Path) -> str:
    return file.read_text() if file.is_file() else ""
