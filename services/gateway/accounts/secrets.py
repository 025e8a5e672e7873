"""The house's own secrets for people: which is in use, which are still honoured, keys made of them.

ACCOUNT_SECRETS names them, newest first. The first makes what is new; all of them read what is
old. To rotate, put a new one in front and take the old one away once nothing of it is left: ten
minutes for access tokens, never for what is sealed until it was sealed again.
"""

from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.runtime.settings import Misconfigured

KEY_BYTES: Final = 32
_LEAST_CHARACTERS: Final = 16


def read_secrets(text: str) -> tuple[str, ...]:
    """Read ACCOUNT_SECRETS. Raises Misconfigured when there is none or one is short."""
    secrets = tuple(filter(None, (part.strip() for part in text.split(","))))
    if not secrets or any(len(secret) < _LEAST_CHARACTERS for secret in secrets):
        raise Misconfigured(
            f"ACCOUNT_SECRETS needs secrets of at least {_LEAST_CHARACTERS} characters, newest "
            "first, with commas between them."
        )
    return secrets


def derive(secret: str, purpose: str) -> bytes:
    """Derive the key for one purpose (RFC 5869); keys of different purposes tell nothing apart."""
    made = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"errand/{purpose}".encode())
    return made.derive(secret.encode())


def name_of(key: bytes) -> str:
    """Name a key by 64 bits of its digest, so that what it made can say so."""
    return sha256(b"errand/key-name\n" + key).hexdigest()[:16]
