"""Creation of tokens and codes, and their digests: the values themselves are never stored."""

import hmac
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Literal

Purpose = Literal["refresh", "pairing", "link", "key", "oauth", "broker", "secret", "secrets_key"]
Entropy = Callable[[int], bytes]

_TOKEN_BYTES: Final = 32
_CODE_CHARACTERS: Final = 8
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans("ILO", "110", "- ")
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_CHARACTERS: Final = 30
_CHECK_CHARACTERS: Final = 6
_MAX_UNBIASED: Final = 248  # the largest multiple of 62 that a byte can be below
_KEY_PARTS: Final = 3


def new_token(purpose: Purpose, entropy: Entropy) -> str:
    """Return a new opaque token of 256 bits."""
    return _spelled(purpose, entropy(_TOKEN_BYTES))


def successor(token: str, secret: str) -> str:
    """Derive the refresh token that follows `token`, deterministically."""
    content = hmac.digest(secret.encode(), b"errand/refresh\n" + token.encode(), sha256)
    return _spelled("refresh", content)


def new_code(entropy: Entropy) -> str:
    """Return a new 40-bit code that can be read aloud: `XXXX-XXXX` in Crockford's base32."""
    letters = "".join(_CROCKFORD[byte % 32] for byte in entropy(_CODE_CHARACTERS))
    return f"{letters[:4]}-{letters[4:]}"


def plain_code(code: str) -> str:
    """Normalize a typed code: case, spaces, dashes, misread letters."""
    return code.upper().translate(_MISREAD)


def new_key(environment: str, entropy: Entropy) -> str:
    """Return a new API key, `errand_<environment>_<30 of base62><6 of CRC-32>`.

    178 bits are secret. The checksum lets a scanner, and us, recognize a key.
    """
    letters = ""
    while len(letters) < _KEY_CHARACTERS:
        letters += "".join(
            _BASE62[byte % 62] for byte in entropy(_KEY_CHARACTERS) if byte < _MAX_UNBIASED
        )
    letters = letters[:_KEY_CHARACTERS]
    return f"errand_{environment}_{letters}{_check(letters)}"


def is_key(token: str) -> bool:
    """Return whether a text has the form of an API key, checksum included."""
    parts = token.split("_")
    if len(parts) != _KEY_PARTS or parts[0] != "errand":
        return False
    letters, check = parts[2][:_KEY_CHARACTERS], parts[2][_KEY_CHARACTERS:]
    return len(letters) == _KEY_CHARACTERS and letters.isascii() and check == _check(letters)


def _check(letters: str) -> str:
    rest, digits = zlib.crc32(letters.encode()), ""
    for _ in range(_CHECK_CHARACTERS):
        rest, digit = divmod(rest, 62)
        digits = _BASE62[digit] + digits
    return digits


def _spelled(purpose: Purpose, content: bytes) -> str:
    return f"errand_{purpose}_{urlsafe_b64encode(content).decode().rstrip('=')}"


class Digests:
    """Digests by which secrets are looked up: HMAC-SHA256 under a key of this installation."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"errand/accounts", sha256)

    def of(self, purpose: Purpose, secret: str) -> bytes:
        """Return the digest of a secret; digests of different purposes never match."""
        return hmac.digest(self._key, f"{purpose}\n{secret}".encode(), sha256)
