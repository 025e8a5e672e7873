"""Tokens and codes: how they are made, and how they are stored (never as they are)."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Literal

Purpose = Literal["session", "pairing", "broker"]
Entropy = Callable[[int], bytes]

_TOKEN_BYTES: Final = 32
_CODE_CHARACTERS: Final = 8
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans("ILO", "110", "- ")


def new_token(purpose: Purpose, entropy: Entropy) -> str:
    """Make an opaque token of 256 bits."""
    return f"errand_{purpose}_{urlsafe_b64encode(entropy(_TOKEN_BYTES)).decode().rstrip('=')}"


def new_code(entropy: Entropy) -> str:
    """Make a code of 40 bits that can be read aloud: `XXXX-XXXX` in Crockford's base32."""
    letters = "".join(_CROCKFORD[byte % 32] for byte in entropy(_CODE_CHARACTERS))
    return f"{letters[:4]}-{letters[4:]}"


def plain_code(code: str) -> str:
    """Undo what people do to codes: case, spaces, dashes, letters misread."""
    return code.upper().translate(_MISREAD)


class Digests:
    """Digests by which secrets are looked up: HMAC-SHA256 under a key of this house."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"errand/accounts", sha256)

    def of(self, purpose: Purpose, secret: str) -> bytes:
        """Digest a secret; those of different purposes never match."""
        return hmac.digest(self._key, f"{purpose}\n{secret}".encode(), sha256)
