"""The one-time code by which a machine proves which attempt it is.

The scheduler puts the code into the machine it starts; the gateway's broker asks for it once and
gives the attempt its credentials. Both derive it, so it is stored nowhere.
"""

import hmac
from base64 import b32encode
from hashlib import sha256

from events import TaskId

_CODE_LENGTH = 40


def claim_code(secret: str, task: TaskId, attempt: int) -> str:
    """Derive the code of one attempt: 40 characters of base32, 200 bits of HMAC-SHA256."""
    digest = hmac.digest(secret.encode(), f"{task}/{attempt}".encode(), sha256)
    return b32encode(digest).decode().lower()[:_CODE_LENGTH]


def is_claim(secret: str, task: TaskId, attempt: int, code: str) -> bool:
    """Return, in constant time, whether `code` is the attempt's."""
    return hmac.compare_digest(claim_code(secret, task, attempt).encode(), code.encode())
