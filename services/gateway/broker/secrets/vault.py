"""Decryption of accounts' secrets, for the broker's own use: a model key, forge tokens.

What the store wrapped under the public key is soon wrapped again under the current
key-encryption key, and so is what an older one wrapped.
"""

import asyncpg

from events import AccountId
from infra.stores.encryption import DecryptionError, unseal
from services.gateway.accounts.tokens import Digests
from services.gateway.broker.secrets.key_encryption import KeyEncryption
from services.gateway.broker.secrets.public_key import SEALED, WrappedKey, sealing_info
from services.gateway.broker.secrets.store import secret_binding
from services.gateway.problems import refused
from services.gateway.stores.database import Pool, across_accounts, within

_FIND = "SELECT * FROM accounts.secret WHERE account = $1 AND provider = $2 AND name = $3"
_OLD = "SELECT * FROM accounts.secret WHERE wrapped_by <> $1 ORDER BY secret"
_REWRAP = """
    UPDATE accounts.secret SET wrapped = $4, wrapped_by = $5
    WHERE secret = $1 AND version = $2 AND wrapped_by = $3
"""


class Vault:
    """Decrypts secrets. Every method raises Refused (503) when the database is unavailable."""

    def __init__(self, pool: Pool, keys: KeyEncryption, digests: Digests) -> None:
        self._pool = pool
        self._keys = keys
        self._digests = digests

    @property
    def current(self) -> str:
        """Name of the current key-encryption key."""
        return self._keys.current

    async def reveal(self, account: AccountId, provider: str, name: str) -> str | None:
        """Decrypt a secret; None when there is none of this name.

        Raises Refused (409) when no key decrypts it.
        """
        async with within(self._pool, account) as connection:
            row = await connection.fetchrow(_FIND, account, provider, name)
        if row is None:
            return None
        try:
            return unseal(await self._key(row), row["sealed"], of=_of(row)).decode()
        except DecryptionError:
            raise refused(
                409,
                "secret_not_opened",
                f"The account's stored secret for {provider} {name} does not open: the broker's "
                "key file lacks the key that sealed it. Store the secret again.",
            ) from None

    async def rewrap(self) -> int:
        """Wrap under the current key what anything else wraps, one by one; return how many.

        After an interruption the next call goes on. What cannot be unwrapped is left as it is.
        """
        done = 0
        async with across_accounts(self._pool) as connection:
            rows = await connection.fetch(_OLD, self.current)
        for row in rows:
            try:
                key = await self._key(row)
            except DecryptionError:
                continue
            new = await self._keys.wrap(key, of=_of(row))
            async with within(self._pool, row["account"]) as connection:
                await connection.execute(
                    _REWRAP, row["secret"], row["version"], row["wrapped_by"], new.text, new.by
                )
            done += 1
        return done

    async def _key(self, row: asyncpg.Record) -> bytes:
        """Unwrap the key of a secret. Raises DecryptionError."""
        wrapped = WrappedKey(row["wrapped_by"], row["wrapped"])
        if wrapped.by.endswith(SEALED):
            return await self._keys.unwrap_sealed(wrapped, sealing_info(self._digests, _of(row)))
        return await self._keys.unwrap(wrapped, of=_of(row))


def _of(row: asyncpg.Record) -> str:
    return secret_binding(row["account"], row["provider"], row["name"], row["version"])
