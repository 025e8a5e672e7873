"""Who people are: pairing a device, its session, and whose token it is."""

import hmac
from datetime import datetime, timedelta
from typing import Final

import msgspec

from events import AccountId, PersonId, TaskId
from events.ids import prefixed
from infra.clock import Clock
from services.gateway.access import Principal, history_for, is_task_id
from services.gateway.accounts import guesses
from services.gateway.accounts.tokens import Digests, Entropy, new_code, new_token, plain_code
from services.gateway.database import Connection, Pool, connected
from services.gateway.problems import not_found, refused, too_many
from services.gateway.recall import Recall

_PAIRING: Final = timedelta(minutes=10)
_SEEN_EVERY: Final = timedelta(minutes=1)
_OWNER: Final = "owner"

_SESSION = """
    SELECT session, account, person, seen_at FROM accounts.session
    WHERE token = $1 AND revoked_at IS NULL
"""
_SEEN = "UPDATE accounts.session SET seen_at = $3 WHERE account = $1 AND session = $2"
_ACCOUNT = """
    INSERT INTO accounts.account (account, name, created_at) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING account
"""
_PERSON = """
    INSERT INTO accounts.person (person, account, name, created_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account, name) DO UPDATE SET name = excluded.name RETURNING person
"""
_PAIR = """
    INSERT INTO accounts.pairing (code, account, person, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5)
"""
_REDEEM = """
    UPDATE accounts.pairing SET used_at = $2
    WHERE code = $1 AND used_at IS NULL AND expires_at > $2 RETURNING account, person
"""
_OPEN = """
    INSERT INTO accounts.session
        (session, token, account, person, device, platform, created_at, seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
"""
_REVOKE = """
    UPDATE accounts.session SET revoked_at = coalesce(revoked_at, $4)
    WHERE account = $1 AND person = $2 AND session = $3 RETURNING session
"""


class Pairing(msgspec.Struct, frozen=True):
    """A one-time code for one device."""

    code: str
    expires_at: datetime


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device calls itself."""

    name: str = ""
    platform: str = ""


class Session(msgspec.Struct, frozen=True):
    """A device signed in. The token is told once."""

    token: str
    session: str
    account: AccountId
    person: PersonId


class People:
    """Accounts, persons and their sessions, in Postgres. Implements access.Access.

    Every method raises Refused (503) when the database does not answer.
    """

    def __init__(
        self, pool: Pool, *, recall: Recall, digests: Digests, clock: Clock, entropy: Entropy
    ) -> None:
        self._pool = pool
        self._recall = recall
        self._digests = digests
        self._clock = clock
        self._entropy = entropy

    async def authenticate(self, token: str) -> Principal | None:
        """Tell whose session a token is; None when it is nobody's or was revoked."""
        now = self._clock()
        async with connected(self._pool) as connection:
            row = await connection.fetchrow(_SESSION, self._digests.of("session", token))
            if row is None:
                return None
            if now - row["seen_at"] > _SEEN_EVERY:
                await connection.execute(_SEEN, row["account"], row["session"], now)
        return Principal(AccountId(row["account"]), PersonId(row["person"]), row["session"])

    async def enter(self, ticket: str) -> Principal | None:  # noqa: ARG002 - none are given out yet
        """Use up a ticket to the stream; None when it is nobody's."""
        return None

    async def allowed(self, principal: Principal, task: TaskId) -> bool:
        """Tell whether there is such a task in the person's account. Answers may be 30 s old."""
        if not is_task_id(task):
            return False
        known = await self._recall.task(history_for(principal, task), age_seconds=30.0)
        return known.head.version > 0 and known.task.end != "erased"

    async def pair(self, account_name: str) -> Pairing:
        """Make a code for the owner of an account; both are created when missing."""
        now = self._clock()
        async with connected(self._pool) as connection, connection.transaction():
            account = await connection.fetchval(_ACCOUNT, self._id("acc"), account_name, now)
            person = await connection.fetchval(_PERSON, self._id("per"), account, _OWNER, now)
            return await self._pairing(connection, account, person)

    async def pair_another(self, principal: Principal) -> Pairing:
        """Make a code for another device of the same person."""
        async with connected(self._pool) as connection:
            return await self._pairing(connection, principal.account, principal.person)

    async def sign_in(self, code: str, device: Device, *, source: str) -> Session:
        """Trade a code for a session. Raises Refused: 403 wrong, used or expired; 429 too often.

        `source` is where the guess comes from, an address.
        """
        now = self._clock()
        async with connected(self._pool) as connection:
            wait_seconds = await guesses.wait_seconds(connection, source, now)
            if wait_seconds:
                raise too_many(
                    "Too many wrong codes. Wait a moment and pair again.",
                    retry_after_seconds=wait_seconds,
                )
            async with connection.transaction():
                digest = self._digests.of("pairing", plain_code(code))
                row = await connection.fetchrow(_REDEEM, digest, now)
                if row is not None:
                    return await self._open(connection, row["account"], row["person"], device)
            await guesses.count(connection, source, now)
        raise refused(
            403,
            "code_refused",
            "This pairing code is wrong, used or older than ten minutes. Make a new one with "
            "`errand pair`, or on a device that is signed in.",
        )

    async def revoke(self, principal: Principal, session: str) -> None:
        """Sign one of the person's sessions out. Raises Refused (404) when there is none such."""
        async with connected(self._pool) as connection:
            found = await connection.fetchval(
                _REVOKE, principal.account, principal.person, session, self._clock()
            )
        if found is None:
            raise not_found("session")

    async def _pairing(self, connection: Connection, account: str, person: str) -> Pairing:
        now = self._clock()
        code = new_code(self._entropy)
        digest = self._digests.of("pairing", plain_code(code))
        await connection.execute(_PAIR, digest, account, person, now, now + _PAIRING)
        return Pairing(code, now + _PAIRING)

    async def _open(
        self, connection: Connection, account: str, person: str, device: Device
    ) -> Session:
        token = new_token("session", self._entropy)
        session = self._id("ses")
        await connection.execute(
            _OPEN,
            session,
            self._digests.of("session", token),
            account,
            person,
            device.name[:100],
            device.platform[:100],
            self._clock(),
        )
        return Session(token, session, AccountId(account), PersonId(person))

    def _id(self, prefix: str) -> str:
        return prefixed(prefix, self._entropy(16))


def is_operator(token: str, operator_token: str) -> bool:
    """Tell, in constant time, whether a token is the operator's. An empty one never is."""
    same = hmac.compare_digest(token.encode(), operator_token.encode())
    return bool(operator_token) and same
