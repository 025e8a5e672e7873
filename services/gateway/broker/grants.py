"""Claims and broker tokens in Postgres: one claim per attempt, one token per claim."""

from datetime import datetime
from typing import NamedTuple

import asyncpg

from events import AccountId, History, PersonId, TaskId
from services.gateway.accounts.tokens import Digests, Entropy, new_token
from services.gateway.stores.database import Pool, across_accounts

_CLAIM = """
    INSERT INTO accounts.claim (task, attempt, account, machine, claimed_at)
    VALUES ($1, $2, $3, $4, $5)
"""
_KEEP = """
    INSERT INTO accounts.broker_token
        (token, account, task, attempt, expires_at, repository, person, model)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_FIND = """
    SELECT account, task, attempt, expires_at, repository, person, model
    FROM accounts.broker_token
    WHERE token = $1 AND expires_at > $2
"""
_OWNER = "SELECT account FROM read.task WHERE task = $1"
_FORGET = "DELETE FROM accounts.broker_token WHERE expires_at < $1"


class Grant(NamedTuple):
    """Grant of a broker token, as of the attempt's claim.

    The repository's address, the paying person and the permitted model are empty for
    a token issued by an older release.
    """

    history: History
    attempt: int
    expires_at: datetime
    repository: str = ""
    person: PersonId = PersonId("")
    model: str = ""


class Grants:
    """Every method raises Refused (503) when the database is unavailable."""

    def __init__(self, pool: Pool, *, digests: Digests, entropy: Entropy) -> None:
        self._pool = pool
        self._digests = digests
        self._entropy = entropy

    async def claim(self, grant: Grant, *, machine: str, now: datetime) -> str | None:
        """Use the attempt's claim; return its token, or None when the claim was used already."""
        token = new_token("broker", self._entropy)
        task, account = grant.history.task, grant.history.account
        try:
            async with across_accounts(self._pool) as connection:
                await connection.execute(_CLAIM, task, grant.attempt, account, machine, now)
                await connection.execute(
                    _KEEP,
                    self._digests.of("broker", token),
                    account,
                    task,
                    grant.attempt,
                    grant.expires_at,
                    grant.repository,
                    grant.person,
                    grant.model,
                )
                await connection.execute(_FORGET, now)
        except asyncpg.UniqueViolationError:
            return None
        return token

    async def find(self, token: str, *, now: datetime) -> Grant | None:
        """Return the grant of a token; None when it is unknown or expired."""
        async with across_accounts(self._pool) as connection:
            row = await connection.fetchrow(_FIND, self._digests.of("broker", token), now)
        if row is None:
            return None
        history = History(AccountId(row["account"]), TaskId(row["task"]))
        return Grant(
            history,
            row["attempt"],
            row["expires_at"],
            row["repository"],
            PersonId(row["person"]),
            row["model"],
        )

    async def owner(self, task: TaskId) -> AccountId | None:
        """Return the account of a task from the read model."""
        async with across_accounts(self._pool) as connection:
            account = await connection.fetchval(_OWNER, task)
        return AccountId(account) if account else None
