"""Finds what a page shows, and who may see it."""

import re
from dataclasses import dataclass

from infra.simulators.github.git import comparison
from infra.simulators.github.http.credentials import Sender
from infra.simulators.github.http.messages import Refusal, Reply, Request
from infra.simulators.github.pages import html
from infra.simulators.github.rest.routing import Forge
from infra.simulators.github.rest.shapes import Shapes
from infra.simulators.github.store.repositories import Repository

_PATH = re.compile(
    r"/(?P<owner>[^/]+)/(?P<name>[^/]+)(?:/pull/(?P<number>[0-9]{1,9})(?P<diff>\.diff)?)?/?"
)
_CHALLENGE = {"www-authenticate": 'Basic realm="forge"'}
_COMMITS_SHOWN = 20
_NOT_FOUND = 404


@dataclass(frozen=True)
class Browsing:
    """Answers a person's browser. A private repository asks for the token as a password."""

    forge: Forge
    shapes: Shapes
    sender: Sender

    async def reply(self, request: Request) -> Reply:
        """Answer with a page, or with a pull request's diff as text."""
        matched = _PATH.fullmatch(request.path)
        if matched is None or request.method not in {"GET", "HEAD"}:
            return html.missing()
        try:
            repository = self.forge.repositories.find(matched["owner"], matched["name"])
            if repository.private and self.sender is not Sender.OWNER:
                words = b"This repository is private. Sign in: any user, the token as password.\n"
                return Reply(401, words, "text/plain; charset=utf-8", _CHALLENGE)
            if matched["number"] is None:
                return await self._repository(repository)
            number = int(matched["number"])
            return await self._pull_request(repository, number, as_diff=bool(matched["diff"]))
        except Refusal as refusal:
            return html.missing() if refusal.status == _NOT_FOUND else refusal.reply()

    async def _repository(self, repository: Repository) -> Reply:
        found = self.forge.repositories
        heads = await found.heads(repository)
        default = await found.default_branch(repository)
        commits = (
            await comparison.commits(
                self.forge.git, found.path(repository), heads[default], limit=_COMMITS_SHOWN
            )
            if default in heads
            else []
        )
        return html.repository_page(
            repository,
            self.shapes,
            heads=heads,
            default_branch=default,
            pulls=list(reversed(await self.forge.pull_requests.all(repository))),
            commits=commits,
        )

    async def _pull_request(self, repository: Repository, number: int, *, as_diff: bool) -> Reply:
        pull = await self.forge.pull_requests.find(repository, number)
        git, path = self.forge.git, self.forge.repositories.path(repository)
        base, head = pull.base_sha, pull.head_sha
        if as_diff:
            text = await comparison.diff(git, path, base, head)
            return Reply(200, text.encode(), "text/plain; charset=utf-8")
        return html.pull_request_page(
            repository,
            self.shapes,
            pull,
            commits=await comparison.commits(git, path, f"{base}..{head}"),
            changed=await comparison.changed_files(git, path, base, head),
        )
