"""The bare repositories under one directory: made whole, found by name, deleted at once."""

import asyncio
from datetime import datetime
from pathlib import Path

import msgspec

from infra.runtime.clock import Clock
from infra.runtime.tree_removal import remove_tree, temporary_directory
from infra.simulators.github.git.command import Git, GitFailed
from infra.simulators.github.http.messages import Refusal, invalid, not_found
from infra.simulators.github.store import json_files, names

_ABOUT = "errand.json"


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository as it is on disk. Names keep their case, but are found without regard to it."""

    owner: str
    name: str
    private: bool
    created_at: datetime

    @property
    def full_name(self) -> str:
        """Owner and name, as people write them."""
        return f"{self.owner}/{self.name}"


class Repositories:
    """All repositories below `directory`, which is made when missing."""

    def __init__(self, directory: Path, git: Git, clock: Clock) -> None:
        self._root = directory / "repositories"
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for half_made in self._root.glob(".*"):  # by a forge that was killed
            remove_tree(half_made)
        self._git = git
        self._clock = clock
        self._locks: dict[str, asyncio.Lock] = {}

    def path(self, repository: Repository) -> Path:
        """Return where the bare repository is."""
        return self._place(repository.owner, repository.name)

    def lock(self, repository: Repository) -> asyncio.Lock:
        """Return the lock under which this repository's pull requests change."""
        return self._locks.setdefault(repository.full_name.lower(), asyncio.Lock())

    def find(self, owner: str, name: str) -> Repository:
        """Find a repository; raises Refusal 404 when there is none of that name."""
        if not names.is_owner(owner) or not names.is_repository(name):
            raise not_found()
        found = json_files.read(self._place(owner, name) / _ABOUT, Repository)
        if found is None:
            raise not_found()
        return found

    def names(self) -> frozenset[str]:
        """Return every repository, in lower case and without its owner."""
        return frozenset(
            place.name.removesuffix(".git") for place in self._root.glob("[!.]*/*.git")
        )

    def all(self, owner: str = "*") -> list[Repository]:
        """Read every repository, or those of one owner."""
        if owner != "*" and not names.is_owner(owner):
            return []
        found = (
            json_files.read(place / _ABOUT, Repository)
            for place in self._root.glob(f"{owner.lower()}/*.git")
        )
        return [repository for repository in found if repository is not None]

    async def create(self, owner: str, name: str, *, private: bool, auto_init: bool) -> Repository:
        """Make an empty repository, or with `auto_init` one with a first commit.

        Raises Refusal 422 when the name is taken or is none.
        """
        if not names.is_repository(name):
            raise invalid("Repository", code="invalid", field="name")
        repository = Repository(
            owner=owner, name=name, private=private, created_at=self._clock().replace(microsecond=0)
        )
        place = self.path(repository)
        place.parent.mkdir(exist_ok=True)
        # Made beside its place and moved there, so that a half-made one is never found.
        with temporary_directory(".new-", self._root) as workshop:
            made = workshop / "bare.git"
            await self._git.read(made, "init", "--quiet", "--bare", "--initial-branch=main")
            if auto_init:
                await self._first_commit(made, name)
            json_files.write(made / _ABOUT, repository)
            try:
                made.rename(place)
            except OSError:
                if not place.exists():
                    raise
                raise _taken() from None
        return repository

    async def delete(self, repository: Repository) -> None:
        """Delete a repository with all that belongs to it."""
        with temporary_directory(".old-", self._root) as removed:
            self.path(repository).rename(removed / "bare.git")
            await asyncio.to_thread(remove_tree, removed / "bare.git")

    async def heads(self, repository: Repository) -> dict[str, str]:
        """Read every branch and the commit it is at."""
        return await self._references(repository, "refs/heads", strip=2)

    async def references(self, repository: Repository) -> dict[str, str]:
        """Read every branch and tag by its full name, and the object it is at."""
        return await self._references(repository, "refs/heads", "refs/tags", strip=0)

    async def default_branch(self, repository: Repository) -> str:
        """Read the branch HEAD points to, whether or not it has a commit."""
        return (
            (await self._git.read(self.path(repository), "symbolic-ref", "--short", "HEAD"))
            .decode()
            .strip()
        )

    async def adopt_default(self, repository: Repository, heads: dict[str, str]) -> None:
        """Make the first branch ever pushed the default one, when HEAD points to none."""
        if heads and await self.default_branch(repository) not in heads:
            chosen = next((name for name in ("main", "master") if name in heads), min(heads))
            await self._git.read(
                self.path(repository), "symbolic-ref", "HEAD", f"refs/heads/{chosen}"
            )

    async def create_reference(self, repository: Repository, reference: str, sha: str) -> None:
        """Make a branch or tag; raises Refusal 422 when it is there or `sha` is not."""
        path = self.path(repository)
        if not await self._git.holds(path, "cat-file", "-e", f"{sha}^{{commit}}"):
            raise Refusal(422, "Object does not exist")
        try:
            await self._git.read(path, "update-ref", "--end-of-options", reference, sha, "0" * 40)
        except GitFailed:
            if reference in await self.references(repository):
                raise Refusal(422, "Reference already exists") from None
            raise Refusal(422, "Reference update failed") from None

    async def delete_reference(self, repository: Repository, reference: str) -> None:
        """Delete a branch or tag; raises Refusal 422 when there is none."""
        if reference not in await self.references(repository):
            raise Refusal(422, "Reference does not exist")
        await self._git.read(self.path(repository), "update-ref", "-d", reference)

    async def _references(
        self, repository: Repository, *prefixes: str, strip: int
    ) -> dict[str, str]:
        form = f"%(objectname) %(refname:lstrip={strip})" if strip else "%(objectname) %(refname)"
        text = await self._git.read(
            self.path(repository), "for-each-ref", f"--format={form}", *prefixes
        )
        pairs = (line.split(" ", 1) for line in text.decode(errors="replace").splitlines())
        return {name: sha for sha, name in pairs}

    async def _first_commit(self, path: Path, name: str) -> None:
        git = self._git
        blob = await git.read(path, "hash-object", "-w", "--stdin", text=f"# {name}\n".encode())
        entry = f"100644 blob {blob.decode().strip()}\tREADME.md\n".encode()
        tree = (await git.read(path, "mktree", text=entry)).decode().strip()
        commit = await git.read(path, "commit-tree", "-m", "Initial commit", tree)
        await git.read(path, "update-ref", "refs/heads/main", commit.decode().strip())

    def _place(self, owner: str, name: str) -> Path:
        return self._root / owner.lower() / f"{name.lower()}.git"


def _taken() -> Refusal:
    error = {
        "resource": "Repository",
        "code": "custom",
        "field": "name",
        "message": "name already exists on this account",
    }
    return Refusal(422, "Repository creation failed.", [error])
