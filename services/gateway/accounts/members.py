"""Members of an account and their roles. Owners invite, promote and remove; anyone may leave."""

from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from events import PersonId
from events.ids import prefixed
from events.protocol.api.sessions import Role
from infra.runtime.clock import Clock
from services.gateway.accounts.session_cache import Revocations, SessionCache
from services.gateway.accounts.sign_in.pairing import INVITATION, Pairing, Pairings
from services.gateway.accounts.tokens import Entropy
from services.gateway.problems import Refused, invalid, not_found, refused
from services.gateway.stores.database import Connection, Pool, within
from services.gateway.tasks.access import Principal, require_owner

_OWNER: Final = "owner"

_LIST = """
    SELECT person, name, role, email, created_at, joined_at FROM accounts.person
    WHERE account = $1 AND removed_at IS NULL ORDER BY created_at, person LIMIT 1000
"""
_INVITED = """
    SELECT person FROM accounts.person
    WHERE account = $1 AND name = $2 AND removed_at IS NULL AND joined_at IS NULL
"""
_INVITE = """
    INSERT INTO accounts.person (person, account, name, role, email, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
_CHANGE = """
    UPDATE accounts.person SET role = $3, email = $4
    WHERE account = $1 AND person = $2
"""
_LOCK = "SELECT account FROM accounts.account WHERE account = $1 FOR UPDATE"
_FIND = """
    SELECT role FROM accounts.person WHERE account = $1 AND person = $2 AND removed_at IS NULL
"""
_OTHER_OWNERS = """
    SELECT count(*) FROM accounts.person
    WHERE account = $1 AND person <> $2 AND role = 'owner'
      AND removed_at IS NULL AND joined_at IS NOT NULL
"""
_SET_ROLE = "UPDATE accounts.person SET role = $3 WHERE account = $1 AND person = $2"
_REMOVE = "UPDATE accounts.person SET removed_at = $3 WHERE account = $1 AND person = $2"
_CODES = "DELETE FROM accounts.pairing WHERE account = $1 AND person = $2"
_IDENTITIES = "DELETE FROM accounts.identity WHERE account = $1 AND person = $2"
_TEMPLATES = "DELETE FROM accounts.template WHERE account = $1 AND person = $2"
_SESSIONS = """
    UPDATE accounts.session SET revoked_at = $3
    WHERE account = $1 AND person = $2 AND revoked_at IS NULL RETURNING session AS ended
"""
_KEYS = """
    UPDATE accounts.api_key SET revoked_at = $3
    WHERE account = $1 AND person = $2 AND revoked_at IS NULL RETURNING key AS ended
"""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member of an account. `joined_at` is null while the person is only invited."""

    person: PersonId
    name: str
    role: Role
    email: str | None
    created_at: datetime
    joined_at: datetime | None


class Invitation(msgspec.Struct, frozen=True):
    """An invited person and the pairing code for their first sign-in."""

    person: PersonId
    pairing: Pairing


class Members:
    """Manages members. Raises Refused: 403 if the caller is no owner, 503 without the database."""

    def __init__(
        self,
        pool: Pool,
        *,
        pairings: Pairings,
        session_cache: SessionCache,
        revocations: Revocations,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._pool = pool
        self._pairings = pairings
        self._session_cache = session_cache
        self._revocations = revocations
        self._clock = clock
        self._entropy = entropy

    async def list(self, principal: Principal) -> tuple[Member, ...]:
        """List the members of the account, oldest first."""
        async with within(self._pool, principal.account) as connection:
            rows = await connection.fetch(_LIST, principal.account)
        return tuple(Member(**dict(row)) for row in rows)

    async def invite(
        self, principal: Principal, name: str, *, role: Role, email: str | None
    ) -> Invitation:
        """Invite a person. A pending invitation is renewed and its older codes end.

        Raises Refused (409) when a member already has the name or the address.
        """
        require_owner(principal)
        account = principal.account
        try:
            async with within(self._pool, account) as connection:
                await connection.execute(_LOCK, account)
                person = await connection.fetchval(_INVITED, account, name)
                if person is None:
                    person = prefixed("per", self._entropy(16))
                    await connection.execute(
                        _INVITE, person, account, name, role, email, self._clock()
                    )
                else:
                    await connection.execute(_CHANGE, account, person, role, email)
                    await connection.execute(_CODES, account, person)
                pairing = await self._pairings.for_person(
                    connection, account, person, good_for=INVITATION
                )
        except asyncpg.UniqueViolationError:
            raise refused(
                409,
                "member_exists",
                "A member of your account has this name or address already. To let them in on "
                "another device they pair it themselves.",
            ) from None
        return Invitation(PersonId(person), pairing)

    async def change(self, principal: Principal, person: str, *, role: Role) -> None:
        """Set a person's role. Raises Refused: 404 unknown, 409 for the last owner."""
        require_owner(principal)
        async with within(self._pool, principal.account) as connection:
            was = await self._found(connection, principal, person)
            if was == _OWNER and role != _OWNER:
                await _keep_an_owner(connection, principal.account, person)
            await connection.execute(_SET_ROLE, principal.account, person, role)
        self._session_cache.forget_person(person)

    async def remove(self, principal: Principal, person: str) -> None:
        """Remove a person (or oneself): sessions, keys, codes, identities and templates end.

        Raises Refused: 404 unknown, 409 for the last owner.
        """
        if person != principal.person:
            require_owner(principal)
        account, now = principal.account, self._clock()
        async with within(self._pool, account) as connection:
            if await self._found(connection, principal, person) == _OWNER:
                await _keep_an_owner(connection, account, person)
            await connection.execute(_REMOVE, account, person, now)
            await connection.execute(_CODES, account, person)
            await connection.execute(_IDENTITIES, account, person)
            await connection.execute(_TEMPLATES, account, person)
            ended = await connection.fetch(_SESSIONS, account, person, now)
            ended += await connection.fetch(_KEYS, account, person, now)
        await self._revocations.publish(str(row["ended"]) for row in ended)

    async def _found(self, connection: Connection, principal: Principal, person: str) -> str:
        """Return a member's role; the account row is locked until the transaction ends."""
        await connection.execute(_LOCK, principal.account)
        role: str | None = await connection.fetchval(_FIND, principal.account, person)
        if role is None:
            raise not_found("member")
        return role


def is_email(text: str) -> bool:
    """Return whether a text can be a mail address in its common form."""
    name, at, host = text.partition("@")
    plain = text.isascii() and text.isprintable() and not any(c in text for c in ' <>()[]",;:\\')
    return plain and bool(name and at) and "." in host.strip(".") and len(text) <= 254  # noqa: PLR2004 - RFC 5321


def plain_email(text: str, pointer: str) -> str:
    """Return a mail address in lower case. Raises Refused (422) when the text is not one."""
    email = text.strip().lower()
    if not is_email(email) or email.count("@") != 1:
        raise invalid("email_refused", pointer, "This is no mail address like ada@example.org.")
    return email


async def _keep_an_owner(connection: Connection, account: str, person: str) -> None:
    if not await connection.fetchval(_OTHER_OWNERS, account, person):
        raise _last_owner()


def _last_owner() -> Refused:
    return refused(409, "last_owner", "An account needs an owner: make somebody else one first.")
