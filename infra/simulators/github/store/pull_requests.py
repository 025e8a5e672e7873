"""The pull requests of each repository: kept on disk beside it, in step with its branches."""

from collections.abc import Mapping

from infra.runtime.clock import Clock
from infra.simulators.github.git import comparison
from infra.simulators.github.git.command import Git
from infra.simulators.github.http.messages import not_found
from infra.simulators.github.store import json_files
from infra.simulators.github.store.pull_request import (
    Change,
    Proposal,
    PullRequest,
    check_branches,
    check_only_one,
    edit,
    follow,
    head_branch,
    refused,
)
from infra.simulators.github.store.repositories import Repositories, Repository

_FILE = "errand-pull-requests.json"


class PullRequests:
    """Opens, finds, edits and follows pull requests; one at a time in each repository."""

    def __init__(self, repositories: Repositories, git: Git, clock: Clock) -> None:
        self._repositories = repositories
        self._git = git
        self._clock = clock

    async def open(self, repository: Repository, proposal: Proposal) -> PullRequest:
        """Open a pull request; raises Refusal 422 when it cannot be."""
        head = head_branch(proposal, owner=repository.owner)
        async with self._repositories.lock(repository):
            existing = await self._follow(repository)
            heads = await self._repositories.heads(repository)
            check_branches(head, proposal.base, heads)
            check_only_one(head, proposal.base, existing, owner=repository.owner)
            await self._check_difference(repository, heads, head=head, base=proposal.base)
            now = self._clock().replace(microsecond=0)
            pull = PullRequest(
                number=len(existing) + 1,
                title=proposal.title,
                body=proposal.body,
                draft=proposal.draft,
                head=head,
                base=proposal.base,
                head_sha=heads[head],
                base_sha=heads[proposal.base],
                created_at=now,
                updated_at=now,
            )
            await self._save(repository, [*existing, pull])
            return pull

    async def edit(self, repository: Repository, number: int, change: Change) -> PullRequest:
        """Edit a pull request; raises Refusal 404 or 422."""
        async with self._repositories.lock(repository):
            existing = await self._follow(repository)
            before = _numbered(existing, number)
            after = edit(
                before,
                change,
                heads=await self._repositories.heads(repository),
                others=[one for one in existing if one.number != number],
                owner=repository.owner,
                now=self._clock().replace(microsecond=0),
            )
            await self._save(repository, [after if one is before else one for one in existing])
            return after

    async def find(self, repository: Repository, number: int) -> PullRequest:
        """Find a pull request, as it is now; raises Refusal 404 when there is none."""
        return _numbered(await self.all(repository), number)

    async def all(self, repository: Repository) -> list[PullRequest]:
        """Read every pull request, oldest first, after following where the branches have gone."""
        async with self._repositories.lock(repository):
            return await self._follow(repository)

    async def _follow(self, repository: Repository) -> list[PullRequest]:
        before = self._read(repository)
        if all(pull.state == "closed" for pull in before):
            return before
        heads = await self._repositories.heads(repository)
        now = self._clock().replace(microsecond=0)
        after = [
            follow(pull, heads, merged=await self._is_merged(repository, pull, heads), now=now)
            for pull in before
        ]
        if after != before:
            await self._save(repository, after)
        return after

    async def _is_merged(
        self, repository: Repository, pull: PullRequest, heads: Mapping[str, str]
    ) -> bool:
        head, base = heads.get(pull.head, pull.head_sha), heads.get(pull.base)
        if pull.state == "closed" or base is None or (head, base) == (pull.head_sha, pull.base_sha):
            return False
        path = self._repositories.path(repository)
        return await comparison.contains(self._git, path, head, within=base)

    async def _check_difference(
        self, repository: Repository, heads: Mapping[str, str], *, head: str, base: str
    ) -> None:
        path = self._repositories.path(repository)
        if not await comparison.are_related(self._git, path, heads[base], heads[head]):
            raise refused(f"The {head} branch has no history in common with {base}")
        if await comparison.count(self._git, path, heads[base], heads[head]) == 0:
            raise refused(f"No commits between {base} and {head}")

    def _read(self, repository: Repository) -> list[PullRequest]:
        return json_files.read(self._repositories.path(repository) / _FILE, list[PullRequest]) or []

    async def _save(self, repository: Repository, pulls: list[PullRequest]) -> None:
        """Keep `pulls`, and with each a reference, so that git keeps its commits."""
        path = self._repositories.path(repository)
        moves = "".join(f"update refs/pull/{one.number}/head {one.head_sha}\n" for one in pulls)
        await self._git.read(path, "update-ref", "--stdin", text=moves.encode())
        json_files.write(path / _FILE, pulls)


def _numbered(pulls: list[PullRequest], number: int) -> PullRequest:
    for pull in pulls:
        if pull.number == number:
            return pull
    raise not_found()


def newest_first(
    pulls: list[PullRequest], *, state: str, head: str, base: str
) -> list[PullRequest]:
    """Choose pull requests as the list's query does: `state` open, closed or all; "" for any."""
    return [
        pull
        for pull in reversed(pulls)
        if state in ("all", pull.state) and head in ("", pull.head) and base in ("", pull.base)
    ]
