"""Sealing what must be read again, such as a person's token at a forge: AES-256-GCM.

A sealed text is `1 | name of the key (8 bytes) | nonce (12) | ciphertext`, bound to its context:
what was sealed for one person does not open for another.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from infra.stores.encryption import NONCE_BYTES, DecryptionError, seal, unseal
from services.gateway.accounts.secrets import derive, name_of
from services.gateway.accounts.tokens import Entropy

_FORM: Final = b"\x01"
_NAME_BYTES: Final = 8


class Cipher(Protocol):
    """Keeps secrets at rest."""

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Seal a text as being of this context."""
        ...

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Open what was sealed. Raises DecryptionError."""
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
        sealed = seal(self._newest, plaintext, of=context, nonce=self._entropy(NONCE_BYTES))
        return _FORM + bytes.fromhex(name_of(self._newest)) + sealed

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Open what was sealed. Raises DecryptionError."""
        name, rest = sealed[1 : 1 + _NAME_BYTES], sealed[1 + _NAME_BYTES :]
        key = self._keys.get(name)
        if key is None or not sealed.startswith(_FORM):
            raise DecryptionError("the key it was sealed with is not here")
        return unseal(key, rest, of=context)
