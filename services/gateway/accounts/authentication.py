"""Authentication by access token, API key or stream ticket."""

import hmac
from datetime import datetime
from typing import Final

from events import AccountId, PersonId, TaskId
from infra.runtime.clock import Clock
from services.gateway.accounts.session_cache import SessionCache
from services.gateway.accounts.token_signing import SignedToken, TokenClaims, TokenSigner
from services.gateway.accounts.tokens import Digests, is_key
from services.gateway.queries.task_cache import TaskCache
from services.gateway.stores.database import Pool, across_accounts, within
from services.gateway.tasks.access import Principal, history_for, is_task_id

_KEY_PREFIX: Final = "key_"

_SESSION = """
    SELECT p.role FROM accounts.session AS s JOIN accounts.person AS p USING (account, person)
    WHERE s.account = $1 AND s.person = $2 AND s.session = $3
      AND s.revoked_at IS NULL AND p.removed_at IS NULL
"""
_SESSION_SEEN = """
    UPDATE accounts.session SET seen_at = $3
    WHERE account = $1 AND session = $2 AND seen_at < $3::timestamptz - interval '1 minute'
"""
_RECEIVED = """
    UPDATE accounts.session SET received_at = $3
    WHERE account = $1 AND session = $2 AND (received_at IS NULL OR received_at < $3)
"""
_KEY = """
    SELECT k.key, k.account, k.person, k.scopes, k.expires_at, p.role
    FROM accounts.api_key AS k JOIN accounts.person AS p USING (account, person)
    WHERE k.{column} = $1 AND k.revoked_at IS NULL AND p.removed_at IS NULL
"""
_KEY_BY_TOKEN: Final = _KEY.format(column="token")
_KEY_BY_NAME: Final = _KEY.format(column="key")
_KEY_SEEN = """
    UPDATE accounts.api_key SET used_at = $3 WHERE account = $1 AND key = $2
      AND (used_at IS NULL OR used_at < $3::timestamptz - interval '1 minute')
"""
_SPEND = """
    INSERT INTO accounts.spent_ticket (ticket, expires_at) VALUES ($1, $2)
    ON CONFLICT (ticket) DO NOTHING RETURNING ticket
"""
_FORGET_SPENT = "DELETE FROM accounts.spent_ticket WHERE expires_at < $1"


class Authenticator:
    """Authenticates callers. Every method raises Refused (503) when the database is away."""

    def __init__(
        self,
        pool: Pool,
        *,
        recall: TaskCache,
        digests: Digests,
        signing: TokenSigner,
        session_cache: SessionCache,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._recall = recall
        self._digests = digests
        self._signing = signing
        self._session_cache = session_cache
        self._clock = clock

    async def authenticate(self, token: str) -> Principal | None:
        """Return the principal of an access token or API key; None if unknown, expired or revoked.

        A credential revoked by another process may be accepted for five more seconds.
        """
        if is_key(token):
            digest = self._digests.of("key", token)
            found = await self._session_cache.recall(
                digest.hex(), lambda: self._key(_KEY_BY_TOKEN, digest)
            )
            return found if found and self._is_good(found) else None
        claims = self._signing.read_access(token, now=self._clock())
        if claims is None:
            return None
        return await self._session(claims, f"{claims.sid}/{claims.iat}", received=claims.issued_at)

    def must_look_up(self, token: str) -> bool:
        """Return whether `authenticate` would query the database for an unknown API key.

        An access token is looked up only when its signature is valid, so nobody can guess one.
        """
        return is_key(token) and not self._session_cache.remembers(
            self._digests.of("key", token).hex()
        )

    async def enter(self, ticket: str) -> Principal | None:
        """Redeem a stream ticket; None when it is invalid, used or expired."""
        now = self._clock()
        claims = self._signing.read_ticket(ticket, now=now)
        if claims is None:
            return None
        async with across_accounts(self._pool) as connection:
            spent = await connection.fetchval(_SPEND, claims.jti, claims.expires_at)
            await connection.execute(_FORGET_SPENT, now)
        if spent is None:
            return None
        if claims.sid.startswith(_KEY_PREFIX):
            found = await self._key(_KEY_BY_NAME, claims.sid)
            return found if found and self._is_good(found) else None
        return await self._session(claims, claims.sid)

    def ticket(self, principal: Principal) -> SignedToken:
        """Create a ticket that opens the stream for this person once, within 45 s."""
        return self._signing.ticket(principal, now=self._clock())

    async def allowed(self, principal: Principal, task: TaskId) -> bool:
        """Return whether the person's account has this task. The result may be 30 s old."""
        if not is_task_id(task):
            return False
        return await self._recall.exists(history_for(principal, task), age_seconds=30.0)

    async def _session(
        self, claims: TokenClaims, name: str, *, received: datetime | None = None
    ) -> Principal | None:
        """Look a session up, cached under a name.

        `received`: when the access token was issued that proves that a renewal arrived; a ticket
        proves nothing, for an older access token may have bought it.
        """

        async def look() -> Principal | None:
            async with within(self._pool, claims.acc) as connection:
                role = await connection.fetchval(_SESSION, claims.acc, claims.sub, claims.sid)
                if role is None:
                    return None
                await connection.execute(_SESSION_SEEN, claims.acc, claims.sid, self._clock())
                if received is not None:
                    await connection.execute(_RECEIVED, claims.acc, claims.sid, received)
            return Principal(claims.acc, claims.sub, claims.sid, role=role)

        found = await self._session_cache.recall(name, look)
        if found is None or (found.account, found.person) != (claims.acc, claims.sub):
            return None
        until = claims.until_at or claims.expires_at
        return Principal(found.account, found.person, found.session, until, role=found.role)

    async def _key(self, statement: str, by: bytes | str) -> Principal | None:
        async with across_accounts(self._pool) as connection:
            row = await connection.fetchrow(statement, by)
            if row is None:
                return None
            await connection.execute(_KEY_SEEN, row["account"], row["key"], self._clock())
        return Principal(
            AccountId(row["account"]),
            PersonId(row["person"]),
            row["key"],
            row["expires_at"],
            scopes=frozenset(row["scopes"]),
            role=row["role"],
        )

    def _is_good(self, principal: Principal) -> bool:
        return principal.expires_at is None or principal.expires_at > self._clock()


def is_operator(token: str, operator_token: str) -> bool:
    """Return, in constant time, whether a token is the operator's. An empty one never is."""
    same = hmac.compare_digest(token.encode(), operator_token.encode())
    return bool(operator_token) and same
