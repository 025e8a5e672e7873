"""Sign-in at a forge for an installed app that another browser carries out (as RFC 8628 does).

On iOS an installed app shares no cookies with the browser to which the forge returns. So the app
keeps a secret and asks with it; the browser, back from the forge, gets a confirmation. What joins
the two is a short code that the app shows and the person types in that browser: whoever only sends
somebody an address gets nothing (RFC 8628 §5.4). All of it is good once and for ten minutes.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from infra.runtime.clock import Clock
from services.gateway.accounts.sign_in.pairing import ARRIVAL, Pairings
from services.gateway.accounts.tokens import Digests, Entropy, new_code, new_token, plain_code
from services.gateway.problems import Refused, refused
from services.gateway.stores.database import Connection, Pool, across_accounts

_GOOD_FOR: Final = timedelta(minutes=10)
_CODE_CHARACTERS: Final = 4
_MAX_WRONG_CODES: Final = 3

_FORGET = "DELETE FROM accounts.app_sign_in WHERE expires_at < $1"
_BEGIN = "INSERT INTO accounts.app_sign_in (secret, code, expires_at) VALUES ($1, $2, $3)"
_ARRIVE = """
    UPDATE accounts.app_sign_in SET confirmation = $2, account = $3, person = $4
    WHERE secret = $1 AND confirmation IS NULL AND expires_at > $5 RETURNING secret
"""
_CONFIRM = """
    UPDATE accounts.app_sign_in
    SET confirmed_at = CASE WHEN code = $2 THEN $3::timestamptz END,
        wrong_codes = wrong_codes + CASE WHEN code = $2 THEN 0 ELSE 1 END
    WHERE confirmation = $1 AND confirmed_at IS NULL AND wrong_codes < $4 AND expires_at > $3
    RETURNING confirmed_at IS NOT NULL AS is_confirmed, wrong_codes
"""
_FIND = """
    SELECT account, person, confirmed_at, wrong_codes FROM accounts.app_sign_in
    WHERE secret = $1 AND expires_at > $2 FOR UPDATE
"""
_END = "DELETE FROM accounts.app_sign_in WHERE secret = $1"


class AppSignIn(NamedTuple):
    """A sign-in that began: the app's secret, the code it shows, and the secret's digest."""

    secret: str
    code: str
    expires_at: datetime
    digest: bytes


class AppSignIns:
    """Every method raises Refused (503) when the database is unavailable."""

    def __init__(
        self, pool: Pool, *, pairings: Pairings, digests: Digests, clock: Clock, entropy: Entropy
    ) -> None:
        self._pool = pool
        self._pairings = pairings
        self._digests = digests
        self._clock = clock
        self._entropy = entropy

    async def begin(self) -> AppSignIn:
        """Begin a sign-in."""
        secret = new_token("oauth", self._entropy)
        code = new_code(self._entropy)[:_CODE_CHARACTERS]
        now, digest = self._clock(), self._digests.of("oauth", secret)
        async with across_accounts(self._pool) as connection:
            await connection.execute(_FORGET, now)
            await connection.execute(_BEGIN, digest, self._code(code), now + _GOOD_FOR)
        return AppSignIn(secret, code, now + _GOOD_FOR, digest)

    async def arrive(
        self, connection: Connection, digest: bytes, *, account: str, person: str
    ) -> str:
        """Note, in the caller's transaction, who came back; return the browser's confirmation.

        Nothing is signed in by it. Raises Refused (403) when the app's sign-in has ended.
        """
        token = new_token("oauth", self._entropy)
        confirmation = self._digests.of("oauth", token)
        found = await connection.fetchval(
            _ARRIVE, digest, confirmation, account, person, self._clock()
        )
        if found is None:
            raise _ended()
        return token

    async def confirm(self, confirmation: str, code: str) -> None:
        """Allow the app that shows this code to sign in. Raises Refused (403)."""
        digest, now = self._digests.of("oauth", confirmation), self._clock()
        async with across_accounts(self._pool) as connection:
            row = await connection.fetchrow(
                _CONFIRM, digest, self._code(plain_code(code)), now, _MAX_WRONG_CODES
            )
        if row is None or (not row["is_confirmed"] and row["wrong_codes"] >= _MAX_WRONG_CODES):
            raise _ended()
        if not row["is_confirmed"]:
            raise refused(
                403,
                "code_refused",
                "The app shows another code. Look again, and type what it shows. If no app of "
                "yours shows a code, close this page: somebody else may want to sign in as you.",
            )

    async def result(self, secret: str) -> str | None:
        """Return, once, the code by which the app signs in; None while it has to wait.

        Raises Refused (403) when the sign-in has ended, or there is none.
        """
        digest = self._digests.of("oauth", secret)
        async with across_accounts(self._pool) as connection:
            row = await connection.fetchrow(_FIND, digest, self._clock())
            if row is None or row["wrong_codes"] >= _MAX_WRONG_CODES:
                raise _ended()
            if row["confirmed_at"] is None:
                return None
            await connection.execute(_END, digest)
            pairing = await self._pairings.for_person(
                connection, row["account"], row["person"], good_for=ARRIVAL
            )
        return pairing.code

    def _code(self, code: str) -> bytes:
        return self._digests.of("oauth", f"shown\n{code}")


def _ended() -> Refused:
    return refused(
        403,
        "sign_in_ended",
        "This sign-in has ended: it is good once and for ten minutes, and ends after three wrong "
        "codes. Begin again in the app.",
    )
