"""Device sessions: access tokens of ten minutes and single-use refresh tokens.

A refresh token used twice means that two parties have it, or that the answer was lost. It was lost
as long as nobody has used what it brought: neither the next refresh token nor an access token that
was issued since. Until then the request may be repeated, however late (a phone that is put away in
a tunnel goes on the next morning), and gets the same refresh token; afterwards only for half a
minute, for windows that renew at once. Any other reuse ends the session for both (RFC 9700
§4.14.2): of two parties, the second to use what they have is always noticed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from events import AccountId, PersonId
from events.ids import prefixed
from events.protocol.api.sessions import Role, Session, SignInDevice
from infra.runtime.clock import Clock
from services.gateway.accounts.session_cache import Revocations
from services.gateway.accounts.token_signing import TokenSigner
from services.gateway.accounts.tokens import Digests, Entropy, new_token, successor
from services.gateway.problems import not_found, refused
from services.gateway.stores.database import Connection, Pool, across_accounts, within
from services.gateway.tasks.access import Principal

GRACE: Final = timedelta(seconds=30)
IDLE: Final = timedelta(days=60)
"""A session that is not renewed for so long ends."""
_KEPT: Final = timedelta(days=30)

_OPEN = """
    INSERT INTO accounts.session (session, account, person, device, platform, created_at, seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $6)
"""
_JOIN = """
    UPDATE accounts.person SET joined_at = coalesce(joined_at, $3)
    WHERE account = $1 AND person = $2 RETURNING role
"""
_ISSUE = """
    INSERT INTO accounts.refresh_token (token, account, session, issued_at, expires_at)
    VALUES ($1, $2, $3, $4, $5)
"""
_FIND = """
    SELECT account, session, used_at, expires_at FROM accounts.refresh_token
    WHERE token = $1 FOR UPDATE
"""
_USE = """
    UPDATE accounts.refresh_token SET used_at = $3 WHERE account = $1 AND token = $2
"""
_FORGET = """
    DELETE FROM accounts.refresh_token WHERE account = $1 AND session = $2 AND used_at < $3
"""
_IS_UNUSED = """
    SELECT 1 FROM accounts.refresh_token WHERE account = $1 AND token = $2 AND used_at IS NULL
"""
_IS_RECEIVED = """
    SELECT 1 FROM accounts.session WHERE account = $1 AND session = $2
      AND received_at >= date_trunc('second', $3::timestamptz)
"""
_SEEN = """
    UPDATE accounts.session AS s SET seen_at = $3 FROM accounts.person AS p
    WHERE s.account = $1 AND s.session = $2 AND s.revoked_at IS NULL
      AND p.account = s.account AND p.person = s.person AND p.removed_at IS NULL
    RETURNING s.person, p.role
"""
_LIST = """
    SELECT session, device, platform, created_at, seen_at FROM accounts.session
    WHERE account = $1 AND person = $2 AND revoked_at IS NULL AND seen_at > $3
    ORDER BY seen_at DESC, session LIMIT 200
"""
_END = """
    UPDATE accounts.session SET revoked_at = $4
    WHERE account = $1 AND person = $2 AND session = $3 AND revoked_at IS NULL RETURNING session
"""
_END_OTHERS = """
    UPDATE accounts.session SET revoked_at = $4
    WHERE account = $1 AND person = $2 AND session <> $3 AND revoked_at IS NULL RETURNING session
"""
_END_FAMILY = """
    UPDATE accounts.session SET revoked_at = coalesce(revoked_at, $3)
    WHERE account = $1 AND session = $2
"""


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One of a person's sessions."""

    session: str
    device: str
    platform: str
    created_at: datetime
    seen_at: datetime
    is_current: bool


class Sessions:
    """Every method raises Refused (503) when the database is unavailable."""

    def __init__(
        self,
        pool: Pool,
        *,
        digests: Digests,
        signing: TokenSigner,
        successor_secret: str,
        revocations: Revocations,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._pool = pool
        self._digests = digests
        self._signing = signing
        self._secret = successor_secret
        self._revocations = revocations
        self._clock = clock
        self._entropy = entropy

    async def open(
        self, connection: Connection, account: str, person: str, device: SignInDevice
    ) -> Session:
        """Create a session within the caller's transaction."""
        now = self._clock()
        session = prefixed("ses", self._entropy(16))
        role = await connection.fetchval(_JOIN, account, person, now)
        await connection.execute(
            _OPEN, session, account, person, _short(device.name), _short(device.platform), now
        )
        refresh = new_token("refresh", self._entropy)
        await self._issue(connection, account, session, refresh)
        return self._made(account, person, role, session=session, refresh=refresh)

    async def refresh(self, token: str) -> Session:
        """Exchange a refresh token for the next one and a new access token.

        Raises Refused (401) when it is unknown, too old, of an ended session, or was used before;
        in that last case the session ends.
        """
        async with across_accounts(self._pool) as connection:
            row = await connection.fetchrow(_FIND, self._digests.of("refresh", token))
            if row is None or row["expires_at"] <= self._clock():
                raise _spent()
            renewed = await self._renew(connection, row, token)
            if renewed is None:
                await connection.execute(_END_FAMILY, row["account"], row["session"], self._clock())
        if renewed is None:
            await self._revocations.publish([row["session"]])
            raise refused(
                401,
                "session_ended",
                "This refresh token was used before, so somebody else may have it. The session has "
                "been ended for both: sign in again.",
            )
        return renewed

    async def list(self, principal: Principal) -> tuple[SessionInfo, ...]:
        """List the person's sessions, most recently used first."""
        async with within(self._pool, principal.account) as connection:
            rows = await connection.fetch(
                _LIST, principal.account, principal.person, self._clock() - IDLE
            )
        return tuple(
            SessionInfo(**dict(row), is_current=row["session"] == principal.session) for row in rows
        )

    async def end(self, principal: Principal, session: str) -> None:
        """End one of the person's sessions. Raises Refused (404) when there is no such session."""
        if not await self._end(_END, principal, session):
            raise not_found("session")

    async def end_others(self, principal: Principal) -> None:
        """End all of the person's sessions except the caller's."""
        await self._end(_END_OTHERS, principal, principal.session)

    async def _end(self, statement: str, principal: Principal, session: str) -> Sequence[str]:
        async with within(self._pool, principal.account) as connection:
            rows = await connection.fetch(
                statement, principal.account, principal.person, session, self._clock()
            )
        ended = [str(row["session"]) for row in rows]
        await self._revocations.publish(ended)
        return ended

    async def _renew(
        self, connection: Connection, row: asyncpg.Record, token: str
    ) -> Session | None:
        """Rotate, or repeat the last rotation; None when the token was reused."""
        account, session, used_at = row["account"], row["session"], row["used_at"]
        now = self._clock()
        following = successor(token, self._secret)
        if used_at is None:
            await connection.execute(_USE, account, self._digests.of("refresh", token), now)
            await connection.execute(_FORGET, account, session, now - _KEPT)
            await self._issue(connection, account, session, following)
        elif not await self._may_repeat(connection, row, following):
            return None
        seen = await connection.fetchrow(_SEEN, account, session, now)
        if seen is None:
            raise _spent()
        return self._made(account, seen["person"], seen["role"], session=session, refresh=following)

    async def _may_repeat(
        self, connection: Connection, row: asyncpg.Record, following: str
    ) -> bool:
        """Return whether a used token's answer may be given again: nobody has used it so far."""
        account, used_at = row["account"], row["used_at"]
        digest = self._digests.of("refresh", following)
        if not await connection.fetchval(_IS_UNUSED, account, digest):
            return False
        if self._clock() - used_at <= GRACE:
            return True
        return not await connection.fetchval(_IS_RECEIVED, account, row["session"], used_at)

    async def _issue(
        self, connection: Connection, account: str, session: str, refresh: str
    ) -> None:
        now = self._clock()
        digest = self._digests.of("refresh", refresh)
        await connection.execute(_ISSUE, digest, account, session, now, now + IDLE)

    def _made(
        self, account: str, person: str, role: Role, *, session: str, refresh: str
    ) -> Session:
        theirs, who = AccountId(account), PersonId(person)
        token = self._signing.access(theirs, who, session, now=self._clock())
        return Session(
            token=token.text,
            expires_at=token.expires_at,
            refresh_token=refresh,
            session=session,
            account=theirs,
            person=who,
            role=role,
        )


def _spent() -> Exception:
    return refused(
        401,
        "session_ended",
        "This refresh token is wrong or too old, or its session was ended. Sign in again.",
    )


def _short(text: str) -> str:
    """Return a device's text cut to size, without NUL, which Postgres refuses."""
    return text.replace("\0", "")[:100]
