"""Key-encryption keys, which wrap the keys of encrypted secrets.

They are lines of a file: 32 bytes in base64 each, the first one current, the others kept to unwrap
older keys. From each follows a key pair, whose public half encrypts for the broker. A key server
(KMS) can replace the file by implementing `KeyEncryption`. To rotate, put
a new line on top and restart the broker: it re-wraps everything that the older keys wrapped, and
once `GET /v1/operator/key-encryption` counts none under an old key, that line can be removed.
"""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.runtime.settings import Misconfigured
from infra.stores.encryption import KEY_BYTES, NONCE_BYTES, DecryptionError, seal, unseal
from services.gateway.accounts.tokens import Entropy
from services.gateway.broker.secrets.public_key import SEALED, SUITE, PublicKey, WrappedKey


class KeyEncryption(Protocol):
    """Wraps and unwraps keys."""

    current: str
    public_key: PublicKey

    async def wrap(self, key: bytes, *, of: str) -> WrappedKey:
        """Wrap a key, bound to `of`."""
        ...

    async def unwrap(self, wrapped: WrappedKey, *, of: str) -> bytes:
        """Unwrap a key. Raises DecryptionError."""
        ...

    async def unwrap_sealed(self, wrapped: WrappedKey, info: bytes) -> bytes:
        """Unwrap a key that a public key wrapped. Raises DecryptionError."""
        ...


class FileKeys:
    """Key-encryption keys from a file."""

    def __init__(self, keys: Sequence[bytes], entropy: Entropy) -> None:
        self._keys: Final = {_name(key): key for key in keys}
        self._entropy = entropy
        self.current = _name(keys[0])
        half = _key_pair(keys[0]).public_key()
        self.public_key = PublicKey(self.current, half.public_bytes_raw())

    async def wrap(self, key: bytes, *, of: str) -> WrappedKey:
        """Wrap a key with the current one."""
        nonce = self._entropy(NONCE_BYTES)
        return WrappedKey(self.current, seal(self._keys[self.current], key, of=of, nonce=nonce))

    async def unwrap(self, wrapped: WrappedKey, *, of: str) -> bytes:
        """Open a wrapped key. Raises DecryptionError, also when its key is not in the file."""
        key = self._keys.get(wrapped.by)
        if key is None:
            raise DecryptionError(f"the key {wrapped.by} is not in the key file")
        return unseal(key, wrapped.text, of=of)

    async def unwrap_sealed(self, wrapped: WrappedKey, info: bytes) -> bytes:
        """Open what a public key wrapped. Raises DecryptionError, also without its key."""
        key = self._keys.get(wrapped.by.removesuffix(SEALED))
        if key is None:
            raise DecryptionError(f"the key {wrapped.by} is not in the key file")
        try:
            return SUITE.decrypt(wrapped.text, _key_pair(key), info=info)
        except (InvalidTag, ValueError) as error:
            raise DecryptionError(repr(error)) from None


def read_keys(file: Path, entropy: Entropy) -> FileKeys:
    """Load the file. Raises Misconfigured, without showing the file's content."""
    try:
        keys = [b64decode(line, validate=True) for line in file.read_text().split()]
    except (OSError, UnicodeDecodeError, binascii.Error):
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise Misconfigured(
            f"SECRETS_KEY_FILE: {file} does not hold keys of {KEY_BYTES} bytes in base64, one a "
            f"line. Make one with `(umask 077; openssl rand -base64 {KEY_BYTES} > {file})`."
        )
    return FileKeys(keys, entropy)


def _key_pair(key: bytes) -> X25519PrivateKey:
    """Derive the key pair of a key-encryption key (RFC 5869)."""
    derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"errand/secrets-key-pair")
    return X25519PrivateKey.from_private_bytes(derived.derive(key))


def _name(key: bytes) -> str:
    return f"kek_{sha256(b'errand/kek' + key).hexdigest()[:12]}"
