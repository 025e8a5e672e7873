"""Account secrets of this installation: the current one, older accepted ones, and derived keys.

ACCOUNT_SECRETS lists them, newest first. The first one signs and encrypts; all of them verify and
decrypt. To rotate, put a new one in front and remove the old one when nothing depends on it: ten
minutes for access tokens; for encrypted values, once they are encrypted again.
"""

from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.runtime.settings import Misconfigured

KEY_BYTES: Final = 32
_MIN_CHARACTERS: Final = 16


def read_secrets(text: str) -> tuple[str, ...]:
    """Read ACCOUNT_SECRETS. Raises Misconfigured when there is none or one is short."""
    secrets = tuple(filter(None, (part.strip() for part in text.split(","))))
    if not secrets or any(len(secret) < _MIN_CHARACTERS for secret in secrets):
        raise Misconfigured(
            f"ACCOUNT_SECRETS needs secrets of at least {_MIN_CHARACTERS} characters, newest "
            "first, with commas between them."
        )
    return secrets


def derive(secret: str, purpose: str) -> bytes:
    """Derive the key for one purpose (RFC 5869); keys of different purposes are independent."""
    made = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"errand/{purpose}".encode())
    return made.derive(secret.encode())


def name_of(key: bytes) -> str:
    """Return the name of a key, 64 bits of its digest, stored with what the key produced."""
    return sha256(b"errand/key-name\n" + key).hexdigest()[:16]
