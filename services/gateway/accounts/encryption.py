"""Sealing what must be read again, such as a person's token at a forge: AES-256-GCM.

A sealed text is `1 | name of the key (8 bytes) | nonce (12) | ciphertext`, bound to its context:
what was sealed for one person does not open for another.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.gateway.accounts.secrets import derive, name_of
from services.gateway.accounts.tokens import Entropy

_FORM: Final = b"\x01"
_NAME_BYTES: Final = 8
_NONCE_BYTES: Final = 12


class DecryptionError(Exception):
    """Sealed with a key that is no longer here, for another context, or changed since."""


class Cipher(Protocol):
    """Keeps secrets at rest."""

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Seal a text as being of this context."""
        ...

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Open what was sealed. Raises NotOpened."""
        ...


class AesCipher:
    """Seals under the first secret, opens under any of them. NIST SP 800-38D, random nonces."""

    def __init__(self, secrets: Sequence[str], entropy: Entropy) -> None:
        keys = [derive(secret, "sealing") for secret in secrets]
        self._newest = keys[0]
        self._keys = {bytes.fromhex(name_of(key)): key for key in keys}
        self._entropy = entropy

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Seal a text as being of this context."""
        nonce = self._entropy(_NONCE_BYTES)
        content = AESGCM(self._newest).encrypt(nonce, plaintext, context.encode())
        return _FORM + bytes.fromhex(name_of(self._newest)) + nonce + content

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Open what was sealed. Raises NotOpened."""
        name, rest = sealed[1 : 1 + _NAME_BYTES], sealed[1 + _NAME_BYTES :]
        key = self._keys.get(name)
        if key is None or not sealed.startswith(_FORM):
            raise DecryptionError("the key it was sealed with is not here")
        try:
            content, nonce = rest[_NONCE_BYTES:], rest[:_NONCE_BYTES]
            return AESGCM(key).decrypt(nonce, content, context.encode())
        except (InvalidTag, ValueError):
            raise DecryptionError("sealed for something else, or changed since") from None
