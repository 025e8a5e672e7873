"""Key-encryption keys, which wrap the keys of encrypted secrets.

They are lines of a file: 32 bytes in base64 each, the first one current, the others kept to unwrap
older keys. A key server (KMS) can replace the file by implementing `KeyEncryption`. To rotate, put
a new line on top and restart the broker: it re-wraps everything that the older keys wrapped, and
once `GET /v1/operator/key-encryption` counts none under an old key, that line can be removed.
"""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from infra.runtime.settings import Misconfigured
from infra.stores.encryption import KEY_BYTES, NONCE_BYTES, DecryptionError, seal, unseal
from services.gateway.accounts.tokens import Entropy


class WrappedKey(NamedTuple):
    """A wrapped key, and the name of the key that wrapped it."""

    by: str
    text: bytes


class KeyEncryption(Protocol):
    """Wraps and unwraps keys."""

    current: str

    async def wrap(self, key: bytes, *, of: str) -> WrappedKey:
        """Wrap a key, bound to `of`."""
        ...

    async def unwrap(self, wrapped: WrappedKey, *, of: str) -> bytes:
        """Unwrap a key. Raises DecryptionError."""
        ...


class FileKeys:
    """Key-encryption keys from a file."""

    def __init__(self, keys: Sequence[bytes], entropy: Entropy) -> None:
        self._keys: Final = {_name(key): key for key in keys}
        self._entropy = entropy
        self.current = _name(keys[0])

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


def _name(key: bytes) -> str:
    return f"kek_{sha256(b'errand/kek' + key).hexdigest()[:12]}"
