"""Pairing codes, exchanged for a session: shown on a screen, mailed as a link, or given to a guest.

Every sign-in method ends in such a code: it works once, for some minutes, and is
sent to the gateway by POST, so that a mail scanner that opens links consumes none.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from events.ids import prefixed
from events.protocol.api.sessions import Session, SignInDevice
from infra.runtime.clock import Clock
from services.gateway.accounts import attempt_limiter
from services.gateway.accounts.sessions import Sessions
from services.gateway.accounts.tokens import (
    Digests,
    Entropy,
    new_code,
    new_token,
    plain_code,
)
from services.gateway.problems import refused
from services.gateway.stores.database import Connection, Pool, across_accounts, within
from services.gateway.tasks.access import Principal

PAIRING: Final = timedelta(minutes=10)
INVITATION: Final = timedelta(days=1)
ARRIVAL: Final = timedelta(minutes=1)
_LINK: Final = "errand_link_"
_FIRST_OWNER: Final = "owner"

_ACCOUNT = """
    INSERT INTO accounts.account (account, name, created_at) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING account
"""
_NEW_ACCOUNT = """
    INSERT INTO accounts.account (account, name, created_at) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO NOTHING RETURNING account
"""
_OWNER = """
    INSERT INTO accounts.person (person, account, name, role, email, created_at)
    VALUES ($1, $2, $3, 'owner', $4, $5)
    ON CONFLICT (account, name) WHERE removed_at IS NULL DO UPDATE SET name = excluded.name
    RETURNING person
"""
_PAIR = """
    INSERT INTO accounts.pairing (code, account, person, email, created_at, expires_at, typed_code)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_REDEEM = """
    UPDATE accounts.pairing SET used_at = $2
    WHERE (code = $1 OR typed_code = $1) AND used_at IS NULL AND expires_at > $2
    RETURNING account, person, email
"""
_FORGET = "DELETE FROM accounts.pairing WHERE expires_at < $1"
_KNOWN = """
    SELECT account, person FROM accounts.person WHERE email = $1 AND removed_at IS NULL
    ORDER BY created_at LIMIT 1
"""


class Pairing(msgspec.Struct, frozen=True):
    """A one-time code for one device."""

    code: str
    expires_at: datetime


class MailedCodes(NamedTuple):
    """A link's code, and one that can be typed in its place: using either uses up both."""

    link: str
    typed: str


class Pairings:
    """Every method raises Refused (503) when the database is unavailable."""

    def __init__(
        self, pool: Pool, *, sessions: Sessions, digests: Digests, clock: Clock, entropy: Entropy
    ) -> None:
        self._pool = pool
        self._sessions = sessions
        self._digests = digests
        self._clock = clock
        self._entropy = entropy

    async def for_account(self, name: str) -> Pairing:
        """Create a code for the first owner of an account; both are created when missing."""
        now = self._clock()
        async with across_accounts(self._pool) as connection:
            account = await connection.fetchval(_ACCOUNT, self._id("acc"), name, now)
            person = await self._owner(connection, account, _FIRST_OWNER, None)
            return await self.for_person(connection, account, person)

    async def for_another_device(self, principal: Principal) -> Pairing:
        """Create a code for another device of the same person."""
        async with within(self._pool, principal.account) as connection:
            return await self.for_person(connection, principal.account, principal.person)

    async def for_person(
        self, connection: Connection, account: str, person: str, *, good_for: timedelta = PAIRING
    ) -> Pairing:
        """Create a code for a person, within the caller's transaction."""
        code = new_code(self._entropy)
        return await self._keep(connection, code, (account, person, None), good_for=good_for)

    async def link(
        self, connection: Connection, email: str, account: str | None, person: str | None
    ) -> MailedCodes:
        """Create what is mailed; without a person, using it creates a new account."""
        made = MailedCodes(new_token("link", self._entropy), new_code(self._entropy))
        of = (account, person, email)
        await self._keep(connection, made.link, of, good_for=PAIRING, typed=made.typed)
        return made

    async def sign_in(self, code: str, device: SignInDevice, *, source: str) -> Session:
        """Exchange a code for a session. Raises Refused: 403 wrong, used or expired; 429 too often.

        `source` is the client's address.
        """
        now = self._clock()
        kind: attempt_limiter.Kind = "link" if code.startswith(_LINK) else "code"
        await attempt_limiter.count(self._pool, source, now, kind=kind)
        async with across_accounts(self._pool) as connection:
            session = await self._redeem(connection, code, device, now)
        if session is not None:
            await attempt_limiter.take_off(self._pool, source, now, kind=kind)
            return session
        raise refused(
            403,
            "code_refused",
            "This code is wrong, used or too old: a pairing code is valid once, for 10 minutes. "
            "Make a new one with `errand pair --new` on a computer that is signed in, or ask for "
            "another mail.",
        )

    async def _redeem(
        self, connection: Connection, code: str, device: SignInDevice, now: datetime
    ) -> Session | None:
        row = await connection.fetchrow(_REDEEM, self._digest(code), now)
        if row is None:
            return None
        account, person = row["account"], row["person"]
        if person is None:
            account, person = await self._newcomer(connection, row["email"])
        return await self._sessions.open(connection, account, person, device)

    async def found(self, connection: Connection, name: str, email: str | None) -> tuple[str, str]:
        """Create an account for a new person, within the caller's transaction.

        Never takes over an existing account of the same name. Returns account and person.
        """
        now, account = self._clock(), self._id("acc")
        made = await connection.fetchval(_NEW_ACCOUNT, account, name, now)
        if made is None:
            await connection.fetchval(_NEW_ACCOUNT, account, f"{name} ({account})", now)
        return account, await self._owner(connection, account, name, email)

    async def _newcomer(self, connection: Connection, email: str) -> tuple[str, str]:
        known = await connection.fetchrow(_KNOWN, email)  # by another link, meanwhile
        if known is not None:
            return known["account"], known["person"]
        return await self.found(connection, email, email)

    async def _owner(
        self, connection: Connection, account: str, name: str, email: str | None
    ) -> str:
        person: str = await connection.fetchval(
            _OWNER, self._id("per"), account, name, email, self._clock()
        )
        return person

    async def _keep(
        self,
        connection: Connection,
        code: str,
        of: tuple[str | None, str | None, str | None],
        *,
        good_for: timedelta,
        typed: str = "",
    ) -> Pairing:
        now = self._clock()
        await connection.execute(_FORGET, now - timedelta(days=1))
        digests = self._digest(code), self._digest(typed) if typed else None
        await connection.execute(_PAIR, digests[0], *of, now, now + good_for, digests[1])
        return Pairing(code, now + good_for)

    def _digest(self, code: str) -> bytes:
        if code.startswith(_LINK):
            return self._digests.of("link", code)
        return self._digests.of("pairing", plain_code(code))

    def _id(self, prefix: str) -> str:
        return prefixed(prefix, self._entropy(16))
