"""Environments of repositories: what an account says of them, what was found, what is kept."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import datetime

import msgspec

from events.ids import PersonId, TaskId
from events.worker import DEFAULT_TIMEOUT_SECONDS, Egress, EnvironmentDefinition


class EnvironmentRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Set-up of a repository.

    `setup` is a bash script at its root, `start` one that every attempt runs after it, `env` are
    variables of both and of the agent. `egress` is what set-up may reach, `agent_egress` what the
    agent may; `allow` are further hosts for both. `cache_paths` are what is kept of what set-up
    added; without them all of it is.
    """

    image: str = ""
    setup: str = ""
    start: str = ""
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    cache_paths: tuple[str, ...] = ()
    egress: Egress = "registries"
    agent_egress: Egress = "off"
    allow: tuple[str, ...] = ()
    env: dict[str, str] = {}


class EnvironmentSettings(msgspec.Struct, frozen=True):
    """Settings of the account for a repository: the definition, and who set it when."""

    definition: EnvironmentDefinition
    person: PersonId
    at: datetime


class FoundEnvironment(msgspec.Struct, frozen=True):
    """Environment that the newest task found in the repository: of a file, or detected."""

    source: str
    reason: str
    definition: EnvironmentDefinition
    task: TaskId
    at: datetime


class EnvironmentPack(msgspec.Struct, frozen=True):
    """Files that a set-up added, as they are kept; `task` ran it, `uses` counts the restores."""

    key: str
    size_bytes: int
    task: TaskId
    created_at: datetime
    used_at: datetime
    uses: int


class RepositoryEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """A repository's environment: which definition is in force for its next task, and why.

    `source` is `account`, `file`, `devcontainer` or `detected`; empty while nothing is known. A
    task that names its own goes by that.
    """

    id: str
    url: str
    source: str
    reason: str
    definition: EnvironmentDefinition | None
    settings: EnvironmentSettings | None
    found: FoundEnvironment | None
    packs: tuple[EnvironmentPack, ...]


class EnvironmentList(msgspec.Struct, frozen=True):
    """The repositories that have settings, were set up, or have packs; by address."""

    data: tuple[RepositoryEnvironment, ...]


def repository_id(url: str) -> str:
    """Return the id of a repository in paths of the API: its address, in base64url."""
    return urlsafe_b64encode(url.encode()).decode().rstrip("=")


def repository_url(identifier: str) -> str:
    """Return the address that an id stands for. Raises ValueError when it is none."""
    padded = identifier + "=" * (-len(identifier) % 4)
    try:
        return urlsafe_b64decode(padded.encode("ascii")).decode()
    except (NotBase64, UnicodeError):
        raise ValueError("this is no id of a repository") from None
