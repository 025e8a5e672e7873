"""Store of accounts' secrets, write-only: it encrypts for the broker and can decrypt nothing.

Each secret is encrypted with AES-256-GCM under a random key of its own, which is wrapped under the
broker's public key. Both are bound to account, provider, name and version, so that a row that was
moved, or brought back from a backup, cannot be decrypted in another's place.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from events import AccountId
from events.ids import prefixed
from infra.runtime.clock import Clock
from infra.stores.encryption import KEY_BYTES, NONCE_BYTES, seal
from services.gateway.accounts.tokens import Digests, Entropy
from services.gateway.broker.secrets.public_key import PublicKey, published, sealing_info
from services.gateway.problems import not_found, refused
from services.gateway.stores.database import Connection, Pool, across_accounts, within

MODEL_PROVIDER: Final = "anthropic"
"""Provider under which an account stores its own model key."""
_SHOWN: Final = 4
_MIN_CHARACTERS_TO_SHOW: Final = 16

_ABOUT = "secret, provider, name, version, last4, created_at"
_PUT = """
    INSERT INTO accounts.secret
        (secret, account, provider, name, version, last4, sealed, wrapped, wrapped_by, created_at)
    VALUES ($1, $2, $3, $4, 1, $5, '', '', '', $6)
    ON CONFLICT (account, provider, name) DO UPDATE SET
        version = secret.version + 1, last4 = excluded.last4, created_at = excluded.created_at
    RETURNING secret, provider, name, version, last4, created_at
"""
_SEAL = "UPDATE accounts.secret SET sealed = $2, wrapped = $3, wrapped_by = $4 WHERE secret = $1"
_LIST = f"SELECT {_ABOUT} FROM accounts.secret WHERE account = $1 ORDER BY provider, name"  # noqa: S608 - ours
_DELETE = "DELETE FROM accounts.secret WHERE account = $1 AND secret = $2 RETURNING 1"
_WRAPPED = "SELECT split_part(wrapped_by, '/', 1), count(*) FROM accounts.secret GROUP BY 1"


class SecretInfo(msgspec.Struct, frozen=True):
    """A stored secret without its value. `last4` is empty when the value is very short."""

    id: str
    provider: str
    name: str
    version: int
    last4: str
    created_at: datetime


class SecretStore:
    """Secrets as people see them.

    What people ask for raises Refused: 409 while no broker has published a key, 503 without
    database.
    """

    def __init__(self, pool: Pool, digests: Digests, *, clock: Clock, entropy: Entropy) -> None:
        self._pool = pool
        self._digests = digests
        self._clock = clock
        self._entropy = entropy

    async def put(self, account: AccountId, provider: str, name: str, text: str) -> SecretInfo:
        """Store a secret, replacing one of the same name."""
        last4 = text[-_SHOWN:] if len(text) >= _MIN_CHARACTERS_TO_SHOW else ""
        fresh, now = prefixed("sec", self._entropy(16)), self._clock()
        async with within(self._pool, account) as connection:
            public_key = await self._public_key(connection)
            [row] = await connection.fetch(_PUT, fresh, account, provider, name, last4, now)
            kept = _kept(row)
            of = secret_binding(account, provider, name, kept.version)
            key = self._entropy(KEY_BYTES)
            sealed = seal(key, text.encode(), of=of, nonce=self._entropy(NONCE_BYTES))
            wrapped = public_key.wrap(key, sealing_info(self._digests, of))
            await connection.execute(_SEAL, kept.id, sealed, wrapped.text, wrapped.by)
        return kept

    async def all(self, account: AccountId) -> Sequence[SecretInfo]:
        """List an account's secrets."""
        async with within(self._pool, account) as connection:
            await self._public_key(connection)
            return [_kept(row) for row in await connection.fetch(_LIST, account)]

    async def delete(self, account: AccountId, secret: str) -> None:
        """Delete a secret. Raises Refused (404) when the account has none of this id."""
        async with within(self._pool, account) as connection:
            await self._public_key(connection)
            if not await connection.fetchval(_DELETE, account, secret):
                raise not_found("secret")

    async def current_key(self) -> str:
        """Return the name of the current key-encryption key; empty when none is published."""
        async with across_accounts(self._pool) as connection:
            key = await published(connection, self._digests)
        return key.name if key else ""

    async def counted(self) -> Mapping[str, int]:
        """Count the secrets by their key-encryption key."""
        async with across_accounts(self._pool) as connection:
            return {row[0]: row[1] for row in await connection.fetch(_WRAPPED)}

    async def _public_key(self, connection: Connection) -> PublicKey:
        key = await published(connection, self._digests)
        if key is None:
            raise refused(
                409,
                "secrets_not_set_up",
                "This server keeps no secrets of its accounts: the operator sets SECRETS_KEY_FILE "
                "for the broker.",
            )
        return key


def secret_binding(account: str, provider: str, name: str, version: int) -> str:
    """Return the context a secret is bound to. None of the parts can contain a `|`."""
    return f"{account}|{provider}|{name}|{version}"


def _kept(row: asyncpg.Record) -> SecretInfo:
    names = ("provider", "name", "version", "last4", "created_at")
    return SecretInfo(row["secret"], *(row[name] for name in names))
