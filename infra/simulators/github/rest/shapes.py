"""GitHub's JSON for people, repositories, references and pull requests.

Source: the REST API's description, version 2022-11-28; what this forge has no notion of is left out
or has the value GitHub gives where there is none.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from infra.simulators.github.git.comparison import ChangedFile, Commit, Person
from infra.simulators.github.store.pull_request import PullRequest
from infra.simulators.github.store.repositories import Repository

Shape = dict[str, object]


def moment(at: datetime | None) -> str | None:
    """Write a time as GitHub does: UTC, whole seconds, Z."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def number_of(name: str) -> int:
    """Derive a number that stands for `name`, the same on every start."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")


@dataclass(frozen=True)
class Shapes:
    """Makes the shapes; `site` is the forge's own address, without a slash at its end."""

    site: str

    @property
    def api(self) -> str:
        """The address of the REST API."""
        return f"{self.site}/api/v3"

    def user(self, login: str) -> Shape:
        """Shape an account."""
        return {
            "login": login,
            "id": number_of(login),
            "type": "User",
            "site_admin": False,
            "url": f"{self.api}/users/{login}",
            "html_url": f"{self.site}/{login}",
        }

    def page(self, repository: Repository) -> str:
        """Return the address of a repository's page."""
        return f"{self.site}/{repository.full_name}"

    def pull_page(self, repository: Repository, number: int) -> str:
        """Return the address of a pull request's page."""
        return f"{self.page(repository)}/pull/{number}"

    def repository(self, repository: Repository, *, default_branch: str, may_push: bool) -> Shape:
        """Shape a repository; `may_push` says what the sender may do."""
        return {
            "id": number_of(repository.full_name),
            "name": repository.name,
            "full_name": repository.full_name,
            "private": repository.private,
            "visibility": "private" if repository.private else "public",
            "owner": self.user(repository.owner),
            "html_url": self.page(repository),
            "url": self._url(repository),
            "clone_url": f"{self.page(repository)}.git",
            "description": None,
            "fork": False,
            "archived": False,
            "disabled": False,
            "default_branch": default_branch,
            "created_at": moment(repository.created_at),
            "permissions": {"admin": may_push, "push": may_push, "pull": True},
        }

    def reference(self, repository: Repository, name: str, sha: str) -> Shape:
        """Shape a reference to a commit."""
        git = f"{self._url(repository)}/git"
        return {
            "ref": name,
            "url": f"{git}/{quote(name)}",
            "object": {"type": "commit", "sha": sha, "url": f"{git}/commits/{sha}"},
        }

    def branch(self, repository: Repository, name: str, commit: Commit) -> Shape:
        """Shape a branch with the commit it is at."""
        return {"name": name, "commit": self.commit(repository, commit), "protected": False}

    def commit(self, repository: Repository, commit: Commit) -> Shape:
        """Shape a commit."""
        url = f"{self._url(repository)}/commits"
        return {
            "sha": commit.sha,
            "url": f"{url}/{commit.sha}",
            "html_url": f"{self.page(repository)}/commit/{commit.sha}",
            "commit": {
                "message": commit.message,
                "author": _person(commit.author),
                "committer": _person(commit.committer),
                "tree": {"sha": commit.tree},
            },
            "parents": [{"sha": sha, "url": f"{url}/{sha}"} for sha in commit.parents],
        }

    def file(self, file: ChangedFile) -> Shape:
        """Shape a changed file of a pull request."""
        shape: Shape = {
            "filename": file.name,
            "status": file.status,
            "additions": file.additions,
            "deletions": file.deletions,
            "changes": file.additions + file.deletions,
        }
        return shape | ({"patch": file.patch} if file.patch else {})

    def pull_request(self, repository: Repository, pull: PullRequest, whole: Shape) -> Shape:
        """Shape a pull request; `whole` is its repository's shape."""
        url = f"{self._url(repository)}/pulls/{pull.number}"
        page = self.pull_page(repository, pull.number)
        return {
            "id": number_of(f"{repository.full_name}#{pull.number}"),
            "node_id": f"PR_{number_of(f'{repository.full_name}#{pull.number}'):x}",
            "number": pull.number,
            "url": url,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "commits_url": f"{url}/commits",
            "state": pull.state,
            "locked": False,
            "draft": pull.draft,
            "title": pull.title,
            "body": pull.body,
            "user": self.user(repository.owner),
            "labels": [],
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.updated_at),
            "closed_at": moment(pull.closed_at),
            "merged_at": moment(pull.merged_at),
            "merge_commit_sha": None,
            "author_association": "OWNER",
            "head": self._end(repository, pull.head, pull.head_sha, whole),
            "base": self._end(repository, pull.base, pull.base_sha, whole),
        }

    def whole_pull_request(
        self, shape: Shape, commits: Sequence[Commit], changed: Sequence[ChangedFile]
    ) -> Shape:
        """Add what GitHub shows only for a pull request asked for by its number."""
        return shape | {
            "merged": shape["merged_at"] is not None,
            "mergeable": None,
            "mergeable_state": "unknown",
            "maintainer_can_modify": False,
            "comments": 0,
            "review_comments": 0,
            "commits": len(commits),
            "additions": sum(file.additions for file in changed),
            "deletions": sum(file.deletions for file in changed),
            "changed_files": len(changed),
        }

    def _end(self, repository: Repository, branch: str, sha: str, whole: Shape) -> Shape:
        return {
            "label": f"{repository.owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(repository.owner),
            "repo": whole,
        }

    def _url(self, repository: Repository) -> str:
        return f"{self.api}/repos/{repository.full_name}"


def _person(person: Person) -> Shape:
    return {"name": person.name, "email": person.email, "date": moment(person.date)}
