"""The choices of a person's newest tasks, in the read model: repositories, branches and models."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from events import AccountId
from events.protocol.api.templates import RecentRepository, Recents
from services.gateway.stores.database import Pool, within

MAX_REPOSITORIES: Final = 20
MAX_BRANCHES: Final = 5
MAX_MODELS: Final = 5

_MAX_TASKS: Final = 300  # of the account, so that the answer costs the same however many there are
_NEWEST: Final = """
    SELECT t.repository, t.state->'repository'->>'base' AS branch, t.state->>'model' AS model,
           t.submitted_at
    FROM (SELECT task, repository, state, submitted_at FROM read.task
          WHERE account = $1 AND state IS NOT NULL
          ORDER BY submitted_at DESC, task DESC LIMIT $3) t
    JOIN read.event e ON e.task = t.task AND e.version = 1
    WHERE e.by = $2
    ORDER BY t.submitted_at DESC, t.task DESC
"""


class UsedChoices(NamedTuple):
    """The choices that one task was sent with; an empty text means the default."""

    repository: str
    branch: str
    model: str
    at: datetime


class RecentChoices:
    """Reads the choices of a person's tasks. Raises Refused (503) when the database is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, account: AccountId, by: str) -> Recents:
        """Return what somebody chose in their newest tasks; `by` is their name in the log."""
        async with within(self._pool, account) as connection:
            rows = await connection.fetch(_NEWEST, account, by, _MAX_TASKS)
        return recents_of(
            UsedChoices(
                row["repository"] or "",
                row["branch"] or "",
                row["model"] or "",
                row["submitted_at"],
            )
            for row in rows
        )


def recents_of(used: Iterable[UsedChoices]) -> Recents:
    """Return each repository once, with its branches, and each model once. `used`: newest first."""
    last: dict[str, datetime] = {}
    branches: dict[str, dict[str, None]] = {}
    models: dict[str, None] = {}
    for each in used:
        if each.model:
            models[each.model] = None
        if each.repository:
            last.setdefault(each.repository, each.at)
            if each.branch:
                branches.setdefault(each.repository, {})[each.branch] = None
    return Recents(
        repositories=tuple(_repositories(last, branches))[:MAX_REPOSITORIES],
        models=tuple(models)[:MAX_MODELS],
    )


def _repositories(
    last: Mapping[str, datetime], branches: Mapping[str, Mapping[str, None]]
) -> Iterable[RecentRepository]:
    for url, at in last.items():
        used = tuple(branches.get(url, ()))[:MAX_BRANCHES]
        yield RecentRepository(url=url, branches=used, used_at=at)
