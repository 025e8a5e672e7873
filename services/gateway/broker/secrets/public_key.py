"""Public key under which the gateway encrypts secrets that only the broker can decrypt.

The broker publishes it in Postgres, with a digest that only this installation can make, so that
nobody who can write to the database alone can put another key in its place.
"""

import hmac
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from services.gateway.accounts.tokens import Digests
from services.gateway.stores.database import Connection, Pool, across_accounts

SEALED: Final = "/sealed"
"""End of the name of what wrapped a key, when that was the public half of the key it names."""
SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

_PUBLISH = """
    INSERT INTO accounts.secrets_public_key (name, public_key, digest) VALUES ($1, $2, $3)
    ON CONFLICT (is_only) DO UPDATE
    SET name = excluded.name, public_key = excluded.public_key, digest = excluded.digest
"""
_WITHDRAW = "DELETE FROM accounts.secrets_public_key"
_PUBLISHED = "SELECT name, public_key, digest FROM accounts.secrets_public_key"


class WrappedKey(NamedTuple):
    """A wrapped key, and the name of the key that wrapped it."""

    by: str
    text: bytes


class PublicKey(NamedTuple):
    """The public half of a key-encryption key, by that key's name. X25519, raw (RFC 7748)."""

    name: str
    raw: bytes

    def wrap(self, key: bytes, info: bytes) -> WrappedKey:
        """Wrap a key, bound to `info`, with HPKE in base mode (RFC 9180)."""
        text = SUITE.encrypt(key, X25519PublicKey.from_public_bytes(self.raw), info=info)
        return WrappedKey(self.name + SEALED, text)


def sealing_info(digests: Digests, of: str) -> bytes:
    """Return what a key wrapped for the secret `of` is bound to.

    It is a digest that only this installation can make, so that what others wrap does not open.
    """
    return digests.of("secret", of)


async def publish(pool: Pool, key: PublicKey | None, digests: Digests) -> None:
    """Publish the key in place of another; None: no secrets are taken. Raises Refused (503)."""
    async with across_accounts(pool) as connection:
        if key is None:
            await connection.execute(_WITHDRAW)
        else:
            await connection.execute(_PUBLISH, key.name, key.raw, _digest(key, digests))


async def published(connection: Connection, digests: Digests) -> PublicKey | None:
    """Return the published key; None when there is none, or somebody else published it."""
    row = await connection.fetchrow(_PUBLISHED)
    if row is None:
        return None
    key = PublicKey(row["name"], row["public_key"])
    return key if hmac.compare_digest(row["digest"], _digest(key, digests)) else None


def _digest(key: PublicKey, digests: Digests) -> bytes:
    return digests.of("secrets_key", f"{key.name}\n{key.raw.hex()}")
