"""Links by which people without an account may look at a task, in Postgres.

A link's secret has 256 bits, is shown once, and is looked up by its digest.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from events import AccountId, History, TaskId
from events.ids import prefixed
from events.limits import LAST_YEAR
from events.protocol.api.shares import NewShare, Share, SharedParts
from infra.runtime.clock import Clock
from services.gateway.problems import Refused, invalid, not_found, refused
from services.gateway.stores.database import Pool, across_accounts, within
from services.gateway.tasks.access import Principal

MAX_SHARES: Final = 100
"""Links of an account that hold at a time."""

_KEPT: Final = timedelta(days=90)
_MAX_LISTED: Final = 500
_SECRET: Final = re.compile(r"share_[A-Za-z0-9_-]{43}")
_ID: Final = re.compile(r"shr_[a-z2-7]{26}")

_COLUMNS: Final = (
    "share, task, person, parts, up_to_version, created_at, expires_at, revoked_at, revoked_by, "
    "views, viewed_at"
)
_COUNT: Final = """
    SELECT count(*) FROM accounts.share
    WHERE account = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
"""
_SWEEP: Final = """
    DELETE FROM accounts.share WHERE account = $1 AND coalesce(revoked_at, expires_at) < $2
"""
_KEEP: Final = f"""
    INSERT INTO accounts.share
        (share, account, task, person, digest, parts, up_to_version, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING {_COLUMNS}
"""  # noqa: S608 - our own columns
_LIST: Final = f"""
    SELECT {_COLUMNS} FROM accounts.share
    WHERE account = $1 AND ($2 = '' OR task = $2) AND (revoked_at IS NULL OR revoked_at > $3)
      AND (expires_at IS NULL OR expires_at > $3)
    ORDER BY created_at DESC, share LIMIT $4
"""  # noqa: S608 - our own columns
_GET: Final = "SELECT person FROM accounts.share WHERE account = $1 AND share = $2"
_REVOKE: Final = """
    UPDATE accounts.share SET revoked_at = $3, revoked_by = $4
    WHERE account = $1 AND share = $2 AND revoked_at IS NULL
"""
_FIND: Final = f"SELECT account, digest, {_COLUMNS} FROM accounts.share WHERE digest = $1"  # noqa: S608
_VIEW: Final = """
    UPDATE accounts.share SET views = views + 1, viewed_at = $3 WHERE account = $1 AND share = $2
"""


class ShareTerms(NamedTuple):
    """The terms of a link: its parts, its last version (None: it goes on), and its end."""

    parts: SharedParts
    up_to_version: int | None
    expires_at: datetime | None


class OpenShare(NamedTuple):
    """A link that holds, and the history that it shows."""

    share: Share
    history: History


class Shares:
    """Makes, lists, revokes and finds links. Raises Refused (503) when the database is away."""

    def __init__(
        self, pool: Pool, *, public_url: str, clock: Clock, entropy: Callable[[int], bytes]
    ) -> None:
        self._pool = pool
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        self._entropy = entropy

    async def make(self, principal: Principal, task: TaskId, terms: ShareTerms) -> NewShare:
        """Make a link to a task that exists. Raises Refused: 409 at MAX_SHARES, 422 for the past.

        It is recorded who made it, and when.
        """
        now, account = self._clock(), principal.account
        if terms.expires_at is not None and terms.expires_at <= now:
            raise invalid("expiry_refused", "/expires_at", "This moment has passed.")
        if terms.expires_at is not None and terms.expires_at.year > LAST_YEAR:
            raise invalid("expiry_refused", "/expires_at", f"The last year is {LAST_YEAR}.")
        secret = "share_" + urlsafe_b64encode(self._entropy(32)).decode().rstrip("=")
        async with within(self._pool, account) as connection:
            await connection.execute(_SWEEP, account, now - _KEPT)
            if await connection.fetchval(_COUNT, account, now) >= MAX_SHARES:
                raise refused(
                    409,
                    "too_many_shares",
                    f"The account has {MAX_SHARES} links that hold. Revoke one first "
                    "(`GET /v1/shares` lists them).",
                )
            row = await connection.fetchrow(
                _KEEP,
                prefixed("shr", self._entropy(16)),
                account,
                task,
                principal.person,
                _digest(secret),
                msgspec.json.encode(terms.parts).decode(),
                terms.up_to_version,
                now,
                terms.expires_at,
            )
        return NewShare(share=_share(row), url=f"{self._public_url}/shared/{secret}")

    async def list(self, principal: Principal, task: str = "") -> list[Share]:
        """List the account's links, or one task's, newest first."""
        before = self._clock() - _KEPT
        async with within(self._pool, principal.account) as connection:
            rows = await connection.fetch(_LIST, principal.account, task, before, _MAX_LISTED)
        return [_share(row) for row in rows]

    async def revoke(self, principal: Principal, share: str) -> None:
        """End a link; ending it again changes nothing. Raises Refused: 404, 403 for another's."""
        account = principal.account
        async with within(self._pool, account) as connection:
            found = _ID.fullmatch(share) and await connection.fetchval(_GET, account, share)
            if not found:
                raise not_found("share")
            if found != principal.person and principal.role != "owner":
                raise refused(
                    403,
                    "share_of_another",
                    "Only who made the link, or an owner of the account, may revoke it.",
                )
            await connection.execute(_REVOKE, account, share, self._clock(), principal.person)

    async def open(self, secret: str) -> OpenShare:
        """Return the link of a secret. Raises Refused: 404 for none, 410 when it has ended."""
        if not _SECRET.fullmatch(secret):
            raise _unknown()
        digest = _digest(secret)
        async with across_accounts(self._pool) as connection:  # a stranger has no account
            row = await connection.fetchrow(_FIND, digest)
        if row is None or not hmac.compare_digest(row["digest"], digest):
            raise _unknown()
        share = _share(row)
        is_over = share.expires_at is not None and share.expires_at <= self._clock()
        if share.revoked_at is not None or is_over:
            raise gone()
        return OpenShare(share, History(AccountId(row["account"]), share.task))

    async def count_view(self, opened: OpenShare) -> None:
        """Count that somebody opened a link."""
        account = opened.history.account
        async with within(self._pool, account) as connection:
            await connection.execute(_VIEW, account, opened.share.share, self._clock())


def gone() -> Refused:
    """Refuse a link that showed something once and does no longer."""
    return refused(
        410,
        "share_ended",
        "This link has ended: it was revoked, its time is over, or its task was erased. Ask who "
        "sent it for a new one.",
    )


def _unknown() -> Refused:
    return refused(404, "not_found", "There is no such link. Check that it was copied whole.")


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _share(row: Any) -> Share:  # noqa: ANN401 - an asyncpg record
    fields = {name: value for name, value in row.items() if name in Share.__struct_fields__}
    fields["parts"] = msgspec.json.decode(fields["parts"], type=SharedParts)
    return Share(**fields)
