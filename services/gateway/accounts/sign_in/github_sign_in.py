"""Sign-in with GitHub and linking: the browser is redirected there and returns with a code.

Against forgery and mix-ups (RFC 9700 §2.1, §4.4): the state is random, valid once and for ten
minutes, and bound to the browser by a cookie; the code is bound to us by PKCE; the redirect is one
exact address for this one provider, and an `iss` that names another is refused.
"""

import secrets
from datetime import timedelta
from typing import Final, NamedTuple

import asyncpg

from infra.runtime.clock import Clock
from infra.stores.encryption import DecryptionError
from services.gateway.accounts.encryption import Cipher
from services.gateway.accounts.sign_in.app_sign_in import AppSignIn, AppSignIns
from services.gateway.accounts.sign_in.github_client import (
    PROVIDER,
    GitHub,
    GitHubUser,
    RepositoryPage,
    link_again,
)
from services.gateway.accounts.sign_in.pairing import ARRIVAL, Pairings
from services.gateway.accounts.tokens import Digests, Entropy, new_token
from services.gateway.problems import Refused, not_found, refused
from services.gateway.stores.database import Connection, Pool, across_accounts, within
from services.gateway.tasks.access import Principal

_ATTEMPT: Final = timedelta(minutes=10)

_BEGIN = """
    INSERT INTO accounts.oauth_attempt
        (state, browser, provider, verifier, account, person, expires_at, app)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_FORGET = "DELETE FROM accounts.oauth_attempt WHERE expires_at < $1"
_FINISH = """
    DELETE FROM accounts.oauth_attempt
    WHERE state = $1 AND provider = $2 AND expires_at > $3
    RETURNING browser, verifier, account, person, app
"""
_OWNER_OF = "SELECT account, person FROM accounts.identity WHERE provider = $1 AND subject = $2"
_STILL_THERE = """
    SELECT 1 FROM accounts.person
    WHERE account = $1 AND person = $2 AND removed_at IS NULL
"""
_LINK = """
    INSERT INTO accounts.identity (provider, subject, account, person, login, token, linked_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (provider, subject)
    DO UPDATE SET login = excluded.login, token = excluded.token, linked_at = excluded.linked_at
"""
_UNLINK = """
    DELETE FROM accounts.identity
    WHERE account = $1 AND person = $2 AND provider = $3 RETURNING subject
"""
_LINKED = """
    SELECT subject, token FROM accounts.identity
    WHERE account = $1 AND person = $2 AND provider = $3
"""


class SignInRedirect(NamedTuple):
    """The redirect to GitHub, and the cookie the browser must present on return."""

    url: str
    browser: str


class SignInResult(NamedTuple):
    """Result of the callback: a sign-in code, or empty when the identity is now linked.

    For an installed app it is the confirmation, which signs nobody in by itself.
    """

    code: str
    is_for_app: bool = False


class _Attempt(NamedTuple):
    verifier: str
    account: str | None
    person: str | None
    app: bytes | None


class Identities:
    """Manages linked identities. Raises Refused: 409 without a GitHub app, 503 without database."""

    def __init__(  # noqa: PLR0913 - the two ends of a link, and what it is made of
        self,
        pool: Pool,
        *,
        github: GitHub,
        pairings: Pairings,
        app_sign_ins: AppSignIns,
        sealer: Cipher,
        digests: Digests,
        is_open: bool,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._pool = pool
        self._github = github
        self._pairings = pairings
        self.app_sign_ins = app_sign_ins
        self._sealer = sealer
        self._digests = digests
        self._is_open = is_open
        self._clock = clock
        self._entropy = entropy

    async def begin_for_app(self) -> tuple[AppSignIn, str]:
        """Begin to sign an installed app in; return also the address any browser may open."""
        self._require_app_at_github()
        begun = await self.app_sign_ins.begin()
        departure = await self.begin(None, app=begun.digest)
        return begun, departure.url

    def _require_app_at_github(self) -> None:
        if not self._github.is_configured:
            raise refused(
                409,
                "github_off",
                "This server has no app at GitHub (GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET are "
                "not set). Sign in with a pairing code.",
            )

    async def begin(
        self, principal: Principal | None, *, app: bytes | None = None
    ) -> SignInRedirect:
        """Begin to sign in or, for a signed-in person, to link. `app` is the sign-in it is for."""
        self._require_app_at_github()
        state, browser = (new_token("oauth", self._entropy) for _ in range(2))
        verifier = new_token("oauth", self._entropy)
        now, digest = self._clock(), self._digests.of("oauth", state)
        async with across_accounts(self._pool) as connection:
            await connection.execute(_FORGET, now)
            await connection.execute(
                _BEGIN,
                digest,
                self._digests.of("oauth", browser),
                PROVIDER,
                self._sealer.seal(verifier.encode(), context=_verifier_of(digest)),
                principal.account if principal else None,
                principal.person if principal else None,
                now + _ATTEMPT,
                app,
            )
        return SignInRedirect(self._github.authorize_url(state, verifier), browser)

    async def finish(self, *, state: str, browser: str, code: str, issuer: str) -> SignInResult:
        """Complete what `begin` started. Raises Refused (403) unless all parts match.

        `browser` is the cookie's value, `issuer` the `iss` parameter, or empty.
        """
        attempt = await self._attempt(state, browser, issuer)
        if not code:
            raise refused(403, "github_declined", "GitHub was not allowed to tell who you are.")
        token = await self._github.exchange(code, attempt.verifier)
        github_user = await self._github.whoami(token)
        try:
            async with across_accounts(self._pool) as connection:
                return await self._arrive(connection, attempt, github_user, token)
        except asyncpg.UniqueViolationError:
            raise refused(
                409,
                "github_linked_already",
                "You are linked to another account at GitHub. Unlink that one first.",
            ) from None

    async def unlink(self, principal: Principal) -> None:
        """Delete the person's GitHub identity and token. Raises Refused (404)."""
        async with within(self._pool, principal.account) as connection:
            gone = await connection.fetchval(_UNLINK, principal.account, principal.person, PROVIDER)
        if gone is None:
            raise not_found("linked identity")

    async def repositories(
        self, principal: Principal, query: str, *, page: int, limit: int
    ) -> RepositoryPage:
        """List or search the person's repositories. Raises Refused (409) when not linked."""
        async with within(self._pool, principal.account) as connection:
            row = await connection.fetchrow(_LINKED, principal.account, principal.person, PROVIDER)
        if row is None:
            raise link_again()
        try:
            context = _token_of(principal.account, principal.person, row["subject"])
            token = self._sealer.open(row["token"], context=context).decode()
        except DecryptionError:
            raise link_again() from None
        return await self._github.repositories(token, query, page=page, limit=limit)

    async def _attempt(self, state: str, browser: str, issuer: str) -> _Attempt:
        """Consume the attempt; it is deleted whatever its outcome."""
        digest = self._digests.of("oauth", state)
        async with across_accounts(self._pool) as connection:
            row = await connection.fetchrow(_FINISH, digest, PROVIDER, self._clock())
        is_bound = row is not None and (
            row["app"] is not None  # any browser: the app's code is what binds it
            or secrets.compare_digest(row["browser"], self._digests.of("oauth", browser))
        )
        if row is None or not is_bound or issuer not in ("", self._github.issuer):
            raise refused(
                403,
                "state_refused",
                "This answer of GitHub's belongs to no sign-in that this browser began in the last "
                "ten minutes. Begin again.",
            )
        try:
            verifier = self._sealer.open(row["verifier"], context=_verifier_of(digest)).decode()
        except DecryptionError:
            raise refused(403, "state_refused", "This sign-in cannot go on. Begin again.") from None
        return _Attempt(verifier, row["account"], row["person"], row["app"])

    async def _arrive(
        self, connection: Connection, attempt: _Attempt, github_user: GitHubUser, token: str
    ) -> SignInResult:
        subject = str(github_user.id)
        known = await connection.fetchrow(_OWNER_OF, PROVIDER, subject)
        owner = (known["account"], known["person"]) if known else None
        if attempt.account is not None and attempt.person is not None:
            mine = (attempt.account, attempt.person)
            if owner not in (None, mine) or not await connection.fetchval(_STILL_THERE, *mine):
                raise _belongs_to_another()
        elif owner is not None:
            mine = owner
        elif self._is_open:
            mine = await self._pairings.found(connection, github_user.login, None)
        else:
            raise _unknown(github_user.login)
        sealed = self._sealer.seal(token.encode(), context=_token_of(*mine, subject))
        await connection.execute(
            _LINK, PROVIDER, subject, *mine, github_user.login, sealed, self._clock()
        )
        if attempt.person is not None:
            return SignInResult("")
        if attempt.app is not None:
            account, person = mine
            confirmation = await self.app_sign_ins.arrive(
                connection, attempt.app, account=account, person=person
            )
            return SignInResult(confirmation, is_for_app=True)
        pairing = await self._pairings.for_person(connection, *mine, good_for=ARRIVAL)
        return SignInResult(pairing.code)


def _verifier_of(state: bytes) -> str:
    return f"oauth-verifier|{state.hex()}"


def _token_of(account: str, person: str, subject: str) -> str:
    return f"identity|{account}|{person}|{PROVIDER}|{subject}"


def _unknown(login: str) -> Refused:
    return refused(
        403,
        "not_invited",
        f"Nobody here is linked to {login} at GitHub. Sign in with a code or a mailed link first, "
        "then link GitHub; or ask an owner for an invitation.",
    )


def _belongs_to_another() -> Refused:
    return refused(409, "github_taken", "This account at GitHub is linked to somebody else here.")
