"""Sealing: AES-256-GCM, a nonce before each sealed text, bound to what the text is of.

A task's key seals its bodies; the key-encryption key wraps the tasks' keys. NIST SP 800-38D: with
random 96-bit nonces one key may seal 2^32 texts; a task has at most 10^5.
"""

import zlib
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class DecryptionError(Exception):
    """The text was sealed under another key, for another place, or was changed since."""


class TaskKey(NamedTuple):
    """The key of one task, and the name under which it is kept."""

    name: str
    secret: bytes


def seal(key: bytes, text: bytes, *, of: str, nonce: bytes) -> bytes:
    """Seal a text as being `of` something; `nonce` is 12 random bytes, never used again."""
    return nonce + AESGCM(key).encrypt(nonce, text, of.encode())


def unseal(key: bytes, sealed: bytes, *, of: str) -> bytes:
    """Open a sealed text. Raises DecryptionError."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], of.encode())
    except (InvalidTag, ValueError):
        raise DecryptionError(f"what is sealed for {of} does not open with this key") from None


def seal_body(key: bytes, body: bytes, *, of: str, nonce: bytes) -> bytes:
    """Seal a stored body; compressed first, for afterwards it cannot be."""
    return seal(key, zlib.compress(body), of=of, nonce=nonce)


def unseal_body(key: bytes, sealed: bytes, *, of: str) -> bytes:
    """Open a sealed body. Raises DecryptionError."""
    return zlib.decompress(unseal(key, sealed, of=of))
