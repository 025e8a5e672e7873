"""Inspection of a received push before anything is forwarded to the forge.

Each push has a temporary bare repository. The trees of its base branch are fetched from
the forge, without files; the pack is indexed and checked where it lies; then the trees of all its
commits are compared with the base's. What a forge runs or trusts passes only with a person's
approval of that very tree. Files' contents are never looked at. See docs/decisions/0013.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

from infra.git.command import (
    NO_PROTOCOL,
    GitCommand,
    GitResult,
    RepositoryTooLarge,
    access_setting,
)
from infra.git.forge_files import DIFF_OPTIONS, MAX_DIFF_BYTES, changed_forge_files, push_digest
from services.gateway.broker.git.protocol.push_request import PushRefused, Update
from services.gateway.tasks import approvals
from services.gateway.tasks.repository_url import Place
from services.gateway.tasks.task import Task

MAX_COMMITS: Final = 100

_MAX_SECONDS: Final = 50.0  # git gives a silent server up after 60 (services.worker's lowSpeedTime)
_INDEX_SECONDS: Final = 30.0
_MAX_REPOSITORY_BYTES: Final = 2 * 1024**3
_MAX_PROCESS_BYTES: Final = 1024**3
_MAX_COMMIT_BYTES: Final = 4 * 1024 * 1024
_MAX_CONCURRENT: Final = 4
_DEPTHS: Final = (1_000, 50_000)
_SHOWN_PATHS: Final = 10
_BASE, _CLAIMED, _PUSHED = "refs/errand/base", "refs/errand/claimed", "refs/errand/pushed"
_COMMIT_ID: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SHA256_CHARACTERS: Final = 64
_FETCH: Final = (
    *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
    "--no-auto-maintenance",
)


class ForgeUnreachable(Exception):
    """The base branch of a push could not be fetched. The text says why."""


class PushPolicy(NamedTuple):
    """Rules for a push: the task's only branch, and the current task."""

    branch: str
    task: Callable[[], Awaitable[Task]]


class ReceivedPush(NamedTuple):
    """A push whose one command was allowed, and the file that holds its pack.

    `repository` is the bare repository that the pack lies in.
    """

    update: Update
    pack: Path
    repository: Path


class KnownCommits(NamedTuple):
    """Commits fetched from the forge: the base's head, the worker's base, the branch's tip."""

    head: str
    claimed: str
    pushed: str


class _Commit(NamedTuple):
    tree: str
    parents: tuple[str, ...]


class PushInspector:
    """Inspects received pushes, a few at a time."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)

    async def inspect(
        self, push: ReceivedPush, place: Place, terms: PushPolicy, *, authorization: str
    ) -> None:
        """Check a push. Raises PushRefused, ForgeUnreachable; Refused (503) without a log."""
        task = await terms.task()
        try:
            async with asyncio.timeout(_MAX_SECONDS), self._slots:
                one = _Inspection(push, place, task, authorization)
                blocked = await one.blocked_digests()
        except TimeoutError:
            raise ForgeUnreachable(
                f"the push was not looked through in {_MAX_SECONDS:g} s"
            ) from None
        if not blocked:
            return
        task = await terms.task()  # the answer may just have come
        for digest, paths in blocked.items():
            if not approvals.is_push_allowed(task.approvals, digest):
                raise PushRefused(_not_allowed(paths))


class _Inspection:
    """One push in its temporary repository."""

    def __init__(self, push: ReceivedPush, place: Place, task: Task, authorization: str) -> None:
        access = access_setting(place.git_url, authorization) if authorization else {}
        self._push = push
        self._task = task
        self._url = place.git_url
        self._forge = place.forge.url
        self._remote = GitCommand(
            push.repository,
            settings=access,
            protocols="http:https",
            limit_bytes=_MAX_REPOSITORY_BYTES,
            memory_bytes=2 * _MAX_PROCESS_BYTES,
        )
        # It may speak to nobody: what is not there is missing, and never fetched unasked.
        self._local = GitCommand(
            push.repository,
            settings={"pack.threads": "1"},
            protocols=NO_PROTOCOL,
            limit_bytes=_MAX_REPOSITORY_BYTES,
            memory_bytes=_MAX_PROCESS_BYTES,
        )

    async def blocked_digests(self) -> dict[str, tuple[str, ...]]:
        """Return the digests that need a person's approval, each with its paths."""
        await _done(self._local, *_init(self._push.update.new))
        known = await self._fetch_known()
        if self._push.update.old.strip("0") and known.pushed != self._push.update.old:
            raise PushRefused("the branch is not where the push expects it; fetch first")
        await self._index()
        trees = await self._new_trees(known)
        changed = [(tree, await self._changed(known.head, tree)) for tree in trees]
        changed = [(tree, paths) for tree, paths in changed if paths]
        if changed and known.claimed not in ("", known.head) and await self._is_on_base(known):
            changed = [(tree, await self._changed(known.claimed, tree)) for tree, _ in changed]
        return {push_digest(paths, tree): paths for tree, paths in changed if paths}

    async def _fetch_known(self) -> KnownCommits:
        base = f"+{self._base_ref}:{_BASE}"
        update, claimed = self._push.update, self._task.base_commit
        more = []
        if _COMMIT_ID.fullmatch(claimed) and len(claimed) == len(update.new):
            more.append(f"+{claimed}:{_CLAIMED}")
        if update.old.strip("0"):
            more.append(f"+{update.ref}:{_PUSHED}")
        options = ("--depth=1", "--filter=blob:none")
        ended = await self._fetch(*options, "--", self._url, base, *more)
        if not ended.is_done and more:  # a branch or a commit that is not there any more
            ended = await self._fetch(*options, "--", self._url, base)
        if not ended.is_done:
            raise ForgeUnreachable(
                f"the branch the work grows from could not be fetched from {self._forge}: "
                f"{_last_words(ended)}"
            )
        listed = await _done(self._local, "for-each-ref", "--format=%(refname) %(objectname)")
        refs = dict(line.split(" ") for line in listed.decode().splitlines())
        return KnownCommits(refs[_BASE], refs.get(_CLAIMED, ""), refs.get(_PUSHED, ""))

    @property
    def _base_ref(self) -> str:
        return f"refs/heads/{self._task.base}" if self._task.base else "HEAD"

    async def _fetch(self, *arguments: str) -> GitResult:
        try:
            return await self._remote.run(
                *_FETCH, *arguments, timeout_seconds=_MAX_SECONDS, is_watched=True
            )
        except RepositoryTooLarge:
            raise PushRefused("the repository is larger than can be looked through") from None

    async def _index(self) -> None:
        arguments = ("index-pack", "--fsck-objects", "--threads=1", str(self._push.pack))
        ended = await self._local.run(*arguments, timeout_seconds=_INDEX_SECONDS)
        if not ended.is_done:
            raise PushRefused(
                f"git finds the pack malformed ({_last_words(ended)}). Push whole, sound objects "
                "(git push --no-thin)"
            )

    async def _new_trees(self, known: KnownCommits) -> list[str]:
        """Return the trees of all commits of the push.

        Raises PushRefused when they do not descend from the fetched commits.
        """
        trees: dict[str, None] = {}
        seen = set(known)
        wanted = [self._push.update.new]
        while wanted:
            seen.update(wanted)
            if len(seen) > MAX_COMMITS + 3:
                raise PushRefused(f"a push may have {MAX_COMMITS} commits at most")
            found = await self._commits(wanted)
            trees.update(dict.fromkeys(commit.tree for commit in found))
            brought = [one for name, one in zip(wanted, found, strict=True) if name not in known]
            parents = dict.fromkeys(parent for commit in brought for parent in commit.parents)
            wanted = [parent for parent in parents if parent not in seen]
        return list(trees)

    async def _commits(self, ids: list[str]) -> list[_Commit]:
        asked = "".join(f"{commit}\n" for commit in ids).encode()
        ended = await self._local.run(
            "cat-file", "--batch", stdin=asked, output_limit_bytes=_MAX_COMMIT_BYTES
        )
        if ended.is_cut:
            raise PushRefused("the push's commits are too large to be looked through")
        if not ended.is_done:
            raise PushRefused(
                f"git cannot read the push's commits ({_last_words(ended)}). Push again"
            )
        return _read_commits(ended.stdout, len(ids))

    async def _changed(self, base: str, tree: str) -> tuple[str, ...]:
        arguments = ("diff-tree", *DIFF_OPTIONS, f"{base}^{{tree}}", tree)
        ended = await self._local.run(
            *arguments, output_limit_bytes=MAX_DIFF_BYTES, timeout_seconds=_MAX_SECONDS
        )
        if ended.is_cut:
            raise PushRefused("the push changes more files than can be looked through")
        if not ended.is_done:
            raise PushRefused(
                "the push names folders that are neither in its pack nor in the branch it grows "
                f"from ({_last_words(ended)}). Push again from the newest state of the base"
            )
        return changed_forge_files(ended.stdout)

    async def _is_on_base(self, known: KnownCommits) -> bool:
        """Return whether the worker's base commit is in the base's history."""
        base = f"+{self._base_ref}:{_BASE}"
        for depth in _DEPTHS:
            options = ("--filter=tree:0", f"--depth={depth}")
            ended = await self._fetch(*options, "--", self._url, base)
            if not ended.is_done:
                raise ForgeUnreachable(f"{self._forge}: {_last_words(ended)}")
            found = await self._local.run("merge-base", "--is-ancestor", known.claimed, _BASE)
            if found.is_done:
                return True
        return False


def _init(commit: str) -> tuple[str, ...]:
    kind = "sha256" if len(commit) == _SHA256_CHARACTERS else "sha1"
    return ("init", "--quiet", "--bare", "--template=", f"--object-format={kind}")


async def _done(git: GitCommand, *arguments: str) -> bytes:
    ended = await git.run(*arguments)
    if not ended.is_done:
        raise OSError(f"git {arguments[0]} ended with {ended.code}: {_last_words(ended)}")
    return ended.stdout


def _read_commits(answer: bytes, count: int) -> list[_Commit]:
    """Parse the output of `git cat-file --batch` about commits."""
    commits = []
    for _ in range(count):
        header, _, answer = answer.partition(b"\n")
        name, kind, size = (*header.split(b" "), b"", b"")[:3]
        if kind != b"commit":
            raise PushRefused(
                f"the push grows from {name.decode(errors='replace')[:64]}, which is neither in "
                "its pack nor the head of the branch it grows from. Push again from the newest "
                "state of the base"
            )
        head, _, _ = answer[: int(size)].partition(b"\n\n")
        answer = answer[int(size) + 1 :]
        fields = [line.decode(errors="replace").split(" ") for line in head.split(b"\n")]
        tree = next(words[1] for words in fields if words[0] == "tree")
        commits.append(_Commit(tree, tuple(w[1] for w in fields if w[0] == "parent")))
    return commits


def _not_allowed(paths: tuple[str, ...]) -> str:
    more = len(paths) - _SHOWN_PATHS
    shown = ", ".join(ascii(path)[1:-1] for path in paths[:_SHOWN_PATHS])
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"the work changes what the forge runs or trusts ({shown}{rest}), and no person has "
        "allowed exactly this push. Ask for an approval of it (tool `push`), then push the same "
        "tree again; or take these changes back"
    )


def _last_words(ended: GitResult) -> str:
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    return (lines[-1] if lines else f"git ended with {ended.code}")[:300]
