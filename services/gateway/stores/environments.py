"""Environments of repositories in Postgres: settings of accounts, and what tasks found."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from events import AccountId, EnvironmentDefinition
from events.protocol.api.environments import (
    EnvironmentPack,
    EnvironmentSettings,
    FoundEnvironment,
    RepositoryEnvironment,
    repository_id,
)
from services.gateway.stores.database import Pool, within

_T = TypeVar("_T")

_UNKNOWN: Final = (
    "Nothing is known yet. The first task looks for .errand/environment.toml, a devcontainer.json "
    "and the files of package managers."
)
_BY_ACCOUNT: Final = "the account's settings for this repository"

_SETTINGS: Final = """
    SELECT settings FROM accounts.environment WHERE account = $1 AND repository = $2
"""
_SET: Final = """
    INSERT INTO accounts.environment (account, repository, settings) VALUES ($1, $2, $3)
    ON CONFLICT (account, repository) DO UPDATE SET settings = excluded.settings
"""
_FOUND: Final = """
    INSERT INTO accounts.environment (account, repository, found) VALUES ($1, $2, $3)
    ON CONFLICT (account, repository) DO UPDATE SET found = excluded.found
"""
_LIST: Final = """
    SELECT repository, e.settings, e.found
    FROM accounts.environment e
    FULL JOIN (SELECT DISTINCT account, repository FROM accounts.environment_pack) p
        USING (account, repository)
    WHERE account = $1 AND ($2 = '' OR repository = $2)
      AND (e.settings IS NOT NULL OR e.found IS NOT NULL OR p.repository IS NOT NULL)
    ORDER BY repository LIMIT 500
"""
_PACKS: Final = """
    SELECT repository, key, size_bytes, task, created_at, used_at, uses
    FROM accounts.environment_pack WHERE account = $1 AND ($2 = '' OR repository = $2)
    ORDER BY used_at DESC, key LIMIT 2000
"""


class EnvironmentStore:
    """Reads and sets environments. Every method raises Refused (503) when the database is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def settings(self, account: AccountId, repository: str) -> EnvironmentDefinition | None:
        """Return what the account says of a repository; None when it says nothing."""
        async with within(self._pool, account) as connection:
            stored = await connection.fetchval(_SETTINGS, account, repository)
        kept = _decoded(stored, EnvironmentSettings)
        return kept.definition if kept is not None else None

    async def set(
        self, account: AccountId, repository: str, settings: EnvironmentSettings | None
    ) -> None:
        """Set what the account says of a repository; None: nothing any more."""
        stored = msgspec.json.encode(settings).decode() if settings is not None else None
        async with within(self._pool, account) as connection:
            await connection.execute(_SET, account, repository, stored)

    async def note_found(
        self, account: AccountId, repository: str, found: FoundEnvironment
    ) -> None:
        """Note what a task found in a repository."""
        stored = msgspec.json.encode(found).decode()
        async with within(self._pool, account) as connection:
            await connection.execute(_FOUND, account, repository, stored)

    async def list(self, account: AccountId) -> tuple[RepositoryEnvironment, ...]:
        """List the repositories of which anything is known, by address."""
        return await self._read(account, "")

    async def get(self, account: AccountId, repository: str) -> RepositoryEnvironment:
        """Return a repository's environment, also when nothing is known of it."""
        known = await self._read(account, repository)
        return known[0] if known else _environment(repository, None, None, ())

    async def _read(self, account: AccountId, repository: str) -> tuple[RepositoryEnvironment, ...]:
        async with within(self._pool, account) as connection:
            rows = await connection.fetch(_LIST, account, repository)
            packs = await connection.fetch(_PACKS, account, repository)
        by_repository: dict[str, list[EnvironmentPack]] = {}
        for pack in packs:
            by_repository.setdefault(pack["repository"], []).append(_pack(pack))
        return tuple(
            _environment(
                row["repository"],
                _decoded(row["settings"], EnvironmentSettings),
                _decoded(row["found"], FoundEnvironment),
                by_repository.get(row["repository"], ()),
            )
            for row in rows
        )


def _environment(
    url: str,
    settings: EnvironmentSettings | None,
    found: FoundEnvironment | None,
    packs: Sequence[EnvironmentPack],
) -> RepositoryEnvironment:
    """Put together which definition is in force, and why."""
    source, reason, definition = "", _UNKNOWN, None
    if settings is not None:
        source, reason, definition = "account", _BY_ACCOUNT, settings.definition
    elif found is not None:
        source, reason, definition = found.source, found.reason, found.definition
    return RepositoryEnvironment(
        id=repository_id(url),
        url=url,
        source=source,
        reason=reason,
        definition=definition,
        settings=settings,
        found=found,
        packs=tuple(packs),
    )


def _pack(row: Any) -> EnvironmentPack:  # noqa: ANN401 - an asyncpg record
    return EnvironmentPack(**{name: row[name] for name in EnvironmentPack.__struct_fields__})


def _decoded(stored: str | None, kind: type[_T]) -> _T | None:
    return msgspec.json.decode(stored, type=kind) if stored is not None else None
