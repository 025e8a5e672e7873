"""Encryption of values that are read again, such as a person's forge token: AES-256-GCM.

An encrypted value is `1 | name of the key (8 bytes) | nonce (12) | ciphertext`, bound to its
context: a value encrypted for one person cannot be decrypted for another.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from infra.stores.encryption import NONCE_BYTES, DecryptionError, seal, unseal
from services.gateway.accounts.secrets import derive, name_of
from services.gateway.accounts.tokens import Entropy

_FORM: Final = b"\x01"
_NAME_BYTES: Final = 8


class Cipher(Protocol):
    """Encrypts and decrypts secrets at rest."""

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt a value bound to this context."""
        ...

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt a value. Raises DecryptionError."""
        ...


class AesCipher:
    """Encrypts with the first secret, decrypts with any of them. NIST SP 800-38D, random nonces."""

    def __init__(self, secrets: Sequence[str], entropy: Entropy) -> None:
        keys = [derive(secret, "sealing") for secret in secrets]
        self._newest = keys[0]
        self._keys = {bytes.fromhex(name_of(key)): key for key in keys}
        self._entropy = entropy

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt a value bound to this context."""
        sealed = seal(self._newest, plaintext, of=context, nonce=self._entropy(NONCE_BYTES))
        return _FORM + bytes.fromhex(name_of(self._newest)) + sealed

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt a value. Raises DecryptionError."""
        name, rest = sealed[1 : 1 + _NAME_BYTES], sealed[1 + _NAME_BYTES :]
        key = self._keys.get(name)
        if key is None or not sealed.startswith(_FORM):
            raise DecryptionError("the key it was sealed with is not here")
        return unseal(key, rest, of=context)
