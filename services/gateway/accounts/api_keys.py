"""API keys, for programs: shown once, stored as a digest, with scopes and an optional expiry."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import msgspec

from events.ids import prefixed
from events.protocol.api.sessions import Scope
from infra.runtime.clock import Clock
from services.gateway.accounts.session_cache import Revocations
from services.gateway.accounts.tokens import Digests, Entropy, new_key
from services.gateway.problems import invalid, not_found, refused
from services.gateway.stores.database import Pool, within
from services.gateway.tasks.access import SCOPES, Principal

_MAX_KEYS: Final = 100

_COUNT = """
    SELECT count(*) FROM accounts.api_key
    WHERE account = $1 AND person = $2 AND revoked_at IS NULL
"""
_KEEP = """
    INSERT INTO accounts.api_key
        (key, token, account, person, name, scopes, last_four, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_LIST = """
    SELECT key, name, scopes, last_four, created_at, expires_at, used_at FROM accounts.api_key
    WHERE account = $1 AND person = $2 AND revoked_at IS NULL ORDER BY created_at, key
"""
_END = """
    UPDATE accounts.api_key SET revoked_at = $4
    WHERE account = $1 AND person = $2 AND key = $3 AND revoked_at IS NULL RETURNING key
"""


class ApiKeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An API key without its secret."""

    key: str
    name: str
    scopes: tuple[Scope, ...]
    last_four: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new API key. `token` is returned this once only."""

    key: str
    token: str
    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


class ApiKeys:
    """A person's API keys. Every method raises Refused (503) when the database is unavailable.

    `environment` stands in every key, so that a test key is not taken for a real one.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        digests: Digests,
        revocations: Revocations,
        environment: str,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._pool = pool
        self._digests = digests
        self._revocations = revocations
        self._environment = environment
        self._clock = clock
        self._entropy = entropy

    async def make(
        self,
        principal: Principal,
        name: str,
        *,
        scopes: Collection[Scope],
        expires_at: datetime | None,
    ) -> NewApiKey:
        """Create an API key for this person.

        Raises Refused: 422 for an expiry in the past or scopes the caller lacks, 409 when the
        person has a hundred keys.
        """
        now = self._clock()
        wanted = tuple(sorted(set(scopes) or SCOPES & principal.scopes))
        if not principal.scopes.issuperset(wanted):
            raise invalid("scopes_refused", "/scopes", "A key can make no key that may do more.")
        if expires_at is not None and expires_at <= now:
            raise invalid("expiry_refused", "/expires_at", "This moment has passed.")
        token = new_key(self._environment, self._entropy)
        key = prefixed("key", self._entropy(16))
        account, person = principal.account, principal.person
        async with within(self._pool, account) as connection:
            if await connection.fetchval(_COUNT, account, person) >= _MAX_KEYS:
                raise refused(
                    409, "too_many_keys", f"You have {_MAX_KEYS} keys. Revoke one (DELETE) first."
                )
            digest = self._digests.of("key", token)
            await connection.execute(
                _KEEP, key, digest, account, person, name, wanted, token[-4:], now, expires_at
            )
        return NewApiKey(key=key, token=token, name=name, scopes=wanted, expires_at=expires_at)

    async def list(self, principal: Principal) -> tuple[ApiKeyInfo, ...]:
        """List the person's keys, oldest first."""
        async with within(self._pool, principal.account) as connection:
            rows = await connection.fetch(_LIST, principal.account, principal.person)
        return tuple(msgspec.convert(dict(row), ApiKeyInfo) for row in rows)

    async def revoke(self, principal: Principal, key: str) -> None:
        """Revoke a key. Raises Refused (404) when the person has no such key."""
        async with within(self._pool, principal.account) as connection:
            ended = await connection.fetchval(
                _END, principal.account, principal.person, key, self._clock()
            )
        if ended is None:
            raise not_found("key")
        await self._revocations.publish([key])
