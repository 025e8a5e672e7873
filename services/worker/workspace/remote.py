"""The task's repository on its forge, reached through the broker."""

import asyncio
import re
from pathlib import Path
from typing import Final, Literal

import msgspec

from infra.runtime.telemetry import logger
from services.worker.agent.failures.outage import Outage, Unreachable
from services.worker.ports import WorkspaceRefused
from services.worker.retry import Backoff, RetryPolicy
from services.worker.workspace.git_command import Git, GitResult, RepositoryTooLarge
from services.worker.workspace.git_errors import (
    OTHER,
    UNREACHABLE,
    base_not_found,
    git_message,
    is_forge_away,
    is_stale,
    refusal_of,
    too_large,
    unreachable,
)

Pushed = Literal["done", "moved", "unanswered"]
"""The end of a push. `moved`: somebody else moved the branch; `unanswered`: it may be done."""

DEPTH: Final = 50
_NETWORK_SECONDS: Final = 900.0
_BASE: Final = "refs/errand/base"
_PUSHED: Final = "refs/errand/pushed"
_COMMIT_ID: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")

_log = logger(__name__)


class Branches(msgspec.Struct, frozen=True):
    """The branches of the repository: commit by name, and the name of the default one."""

    commits: dict[str, str]
    default: str


class Remote:
    """Fetches and pushes. A gateway or forge that does not answer is asked again, with retry.

    Whatever reaches one may raise WorkspaceRefused, and Unreachable when the gateway is away.
    """

    def __init__(self, git: Git, *, url: str, retry: RetryPolicy) -> None:
        self._git = git
        self._url = url
        self._retry = retry

    async def branches(self) -> Branches:
        """List the branches. Raises WorkspaceRefused."""
        ended = await self._reach("ls-remote", "--symref", "--", self._url, "HEAD", "refs/heads/*")
        commits, default = {}, ""
        for line in ended.text.splitlines():
            left, _, name = line.partition("\t")
            if left.startswith("ref: ") and name == "HEAD":
                default = left.removeprefix("ref: refs/heads/")
            elif name.startswith("refs/heads/"):
                commits[name.removeprefix("refs/heads/")] = left
        return Branches(commits, default)

    async def fetch_base(self, base: str, commit: str) -> tuple[str, str, Path | None]:
        """Clone the base, 50 commits deep, into the empty directory.

        `base` is empty for the default branch; `commit` is the commit wanted, empty for the
        branch's last. Returns the branch, the commit, and the one pack that holds it all, if it
        does. Raises WorkspaceRefused.
        """
        options = ("--bare", "--template=", "--no-tags", "--single-branch", "--quiet")
        branch = (f"--branch={base}",) if base else ()
        directory = str(self._git.directory)
        clone = ("clone", *options, f"--depth={DEPTH}", *branch, "--", self._url, directory)
        if "\0" in base:  # no program can be told it
            await self._require_branch(base)
        try:
            await self._reach(*clone)
        except WorkspaceRefused as refusal:
            if refusal.reason != OTHER:
                raise
            await self._require_branch(base)
            raise
        name = await asyncio.to_thread(_head_of, self._git.directory)
        last = await self._git.run("rev-parse", "--quiet", "--verify", f"refs/heads/{name}")
        if not name or not last.is_done:
            await self._require_branch(base)
            raise base_not_found(base, [])
        wanted = commit if _COMMIT_ID.fullmatch(commit) else last.text
        if wanted == last.text:
            return name, wanted, await asyncio.to_thread(_only_pack, self._git.directory)
        if not await self._has(wanted):
            await self._fetch(f"+{wanted}:{_BASE}")
        return name, wanted, None

    async def _require_branch(self, base: str) -> None:
        branches = await self.branches()
        if (base or branches.default) not in branches.commits:
            raise base_not_found(base, sorted(branches.commits))

    async def fetch_pushed(self, branch: str) -> str:
        """Bring in the task's branch; return its commit, or nothing when it is not there."""
        commit = (await self.branches()).commits.get(branch, "")
        if commit and not await self._has(commit):
            await self._fetch(f"+refs/heads/{branch}:{_PUSHED}")
        return commit

    def begin_wait(self) -> Backoff:
        """Begin to wait for the answer to a push."""
        return self._retry.start()

    async def push(self, commit: str, branch: str, *, expected: str, wait: Backoff) -> Pushed:
        """Push if the branch still stands at `expected` (empty: is not there).

        When it does not, or there was no answer, look where it stands and push again. Whatever
        does not answer is given time by `wait`. Raises WorkspaceRefused, Unreachable.
        """
        reference = f"refs/heads/{branch}"
        lease = f"--force-with-lease={reference}:{expected}"
        ended = await self._git.run(
            "push",
            "--porcelain",
            "--no-verify",
            lease,
            "--",
            self._url,
            f"{commit}:{reference}",
            timeout_seconds=_NETWORK_SECONDS,
        )
        if ended.is_done:
            return "done"
        heard = f"{ended.stderr}\n{ended.text}"
        refusal = refusal_of(heard, is_push=True)
        if is_stale(heard):
            return "moved"
        if refusal.reason != UNREACHABLE:
            raise refusal
        await _wait_again(wait, heard)
        return "unanswered"

    async def _has(self, commit: str) -> bool:
        return (await self._git.run("cat-file", "-e", f"{commit}^{{tree}}")).is_done

    async def _fetch(self, refspec: str) -> None:
        options = ("--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--quiet")
        await self._reach("fetch", *options, f"--depth={DEPTH}", "--", self._url, refspec)

    async def _reach(self, *arguments: str) -> GitResult:
        wait = self._retry.start()
        while True:
            try:
                ended = await self._git.run(
                    *arguments, timeout_seconds=_NETWORK_SECONDS, is_watched=True
                )
            except RepositoryTooLarge:
                raise too_large("The repository is larger than Errand takes.") from None
            if ended.is_done:
                return ended
            refusal = refusal_of(ended.stderr)
            if refusal.reason != UNREACHABLE:
                raise refusal
            await _wait_again(wait, ended.stderr)


async def _wait_again(wait: Backoff, heard: str) -> None:
    """Wait before the next try. Raises, at the end of the retries, what names who is away."""
    reason: Outage = UNREACHABLE if is_forge_away(heard) else "gateway_unreachable"
    if not await wait.pause():
        raise _away(wait.error(reason, git_message(heard)))
    _log.warning("forge.waiting", reason=reason, trouble=git_message(heard))


def _away(error: Unreachable) -> Exception:
    """Return what to raise: a forge that is away ends the task, on any machine it would be away."""
    return unreachable(error.detail) if error.reason == UNREACHABLE else error


def _head_of(directory: Path) -> str:
    """Return the branch that HEAD names; nothing when it names a commit."""
    head = (directory / "HEAD").read_text().strip()
    return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else ""


def _only_pack(directory: Path) -> Path | None:
    packs = list((directory / "objects" / "pack").glob("*.pack"))
    return packs[0] if len(packs) == 1 else None
