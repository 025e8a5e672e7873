"""Secrets of accounts, encrypted in Postgres: a model key, forge tokens. Write-only for people.

Each is encrypted with AES-256-GCM under a random key of its own, which a key-encryption key wraps.
Both are bound to account, provider, name and version, so that a row that was moved, or brought back
from a backup, cannot be decrypted in another's place.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from events import AccountId
from events.ids import prefixed
from infra.runtime.clock import Clock
from infra.stores.encryption import KEY_BYTES, NONCE_BYTES, DecryptionError, seal, unseal
from services.gateway.accounts.tokens import Entropy
from services.gateway.broker.secrets.key_encryption import KeyEncryption, WrappedKey
from services.gateway.problems import not_found, refused
from services.gateway.stores.database import Pool, across_accounts, within

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
_FIND = "SELECT * FROM accounts.secret WHERE account = $1 AND provider = $2 AND name = $3"
_DELETE = "DELETE FROM accounts.secret WHERE account = $1 AND secret = $2 RETURNING 1"
_OLD = "SELECT * FROM accounts.secret WHERE wrapped_by <> $1 ORDER BY secret"
_REWRAP = """
    UPDATE accounts.secret SET wrapped = $4, wrapped_by = $5
    WHERE secret = $1 AND version = $2 AND wrapped_by = $3
"""
_WRAPPED = "SELECT wrapped_by, count(*) FROM accounts.secret GROUP BY 1"


class SecretInfo(msgspec.Struct, frozen=True):
    """A stored secret without its value. `last4` is empty when the value is very short."""

    id: str
    provider: str
    name: str
    version: int
    last4: str
    created_at: datetime


class Vault:
    """Encrypted secrets. Every method raises Refused (503) when the database is unavailable."""

    def __init__(self, pool: Pool, keys: KeyEncryption, *, clock: Clock, entropy: Entropy) -> None:
        self._pool = pool
        self._keys = keys
        self._clock = clock
        self._entropy = entropy

    @property
    def current(self) -> str:
        """Name of the current key-encryption key."""
        return self._keys.current

    async def put(self, account: AccountId, provider: str, name: str, text: str) -> SecretInfo:
        """Store a secret, replacing one of the same name."""
        last4 = text[-_SHOWN:] if len(text) >= _MIN_CHARACTERS_TO_SHOW else ""
        fresh, now = prefixed("sec", self._entropy(16)), self._clock()
        async with within(self._pool, account) as connection:
            [row] = await connection.fetch(_PUT, fresh, account, provider, name, last4, now)
            kept = _kept(row)
            of = _binding(account, provider, name, kept.version)
            key = self._entropy(KEY_BYTES)
            sealed = seal(key, text.encode(), of=of, nonce=self._entropy(NONCE_BYTES))
            wrapped = await self._keys.wrap(key, of=of)
            await connection.execute(_SEAL, kept.id, sealed, wrapped.text, wrapped.by)
        return kept

    async def reveal(self, account: AccountId, provider: str, name: str) -> str | None:
        """Decrypt a secret for the broker's own use; None when there is none of this name.

        Raises Refused (409) when no key decrypts it.
        """
        async with within(self._pool, account) as connection:
            row = await connection.fetchrow(_FIND, account, provider, name)
        if row is None:
            return None
        of = _of(row)
        try:
            key = await self._keys.unwrap(WrappedKey(row["wrapped_by"], row["wrapped"]), of=of)
            return unseal(key, row["sealed"], of=of).decode()
        except DecryptionError:
            raise refused(
                409,
                "secret_not_opened",
                f"The account's stored secret for {provider} {name} does not open: the gateway's "
                "key file lacks the key that sealed it. Store the secret again.",
            ) from None

    async def all(self, account: AccountId) -> Sequence[SecretInfo]:
        """List an account's secrets."""
        async with within(self._pool, account) as connection:
            return [_kept(row) for row in await connection.fetch(_LIST, account)]

    async def delete(self, account: AccountId, secret: str) -> None:
        """Delete a secret. Raises Refused (404) when the account has none of this id."""
        async with within(self._pool, account) as connection:
            if not await connection.fetchval(_DELETE, account, secret):
                raise not_found("secret")

    async def rewrap(self) -> int:
        """Re-wrap what an older key-encryption key wraps, one by one; return how many.

        After an interruption the next call goes on. What cannot be unwrapped is left as it is.
        """
        done = 0
        async with across_accounts(self._pool) as connection:
            rows = await connection.fetch(_OLD, self.current)
        for row in rows:
            of, old = _of(row), WrappedKey(row["wrapped_by"], row["wrapped"])
            try:
                key = await self._keys.unwrap(old, of=of)
            except DecryptionError:
                continue
            new = await self._keys.wrap(key, of=of)
            async with within(self._pool, row["account"]) as connection:
                await connection.execute(
                    _REWRAP, row["secret"], row["version"], old.by, new.text, new.by
                )
            done += 1
        return done

    async def counted(self) -> Mapping[str, int]:
        """Count the secrets by their key-encryption key."""
        async with across_accounts(self._pool) as connection:
            return {row[0]: row[1] for row in await connection.fetch(_WRAPPED)}


def _kept(row: asyncpg.Record) -> SecretInfo:
    names = ("provider", "name", "version", "last4", "created_at")
    return SecretInfo(row["secret"], *(row[name] for name in names))


def _of(row: asyncpg.Record) -> str:
    return _binding(row["account"], row["provider"], row["name"], row["version"])


def _binding(account: str, provider: str, name: str, version: int) -> str:
    """Return the context a secret is bound to. None of the parts can contain a `|`."""
    return f"{account}|{provider}|{name}|{version}"
