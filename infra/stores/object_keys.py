"""Names of objects in the object store, and which of a worker's claims about them are believed.

A worker writes `artifact.stored` itself, so every reader asks here before it uses what stands in
one: the key must be of the task's own objects, the media type one of a list. Pure.
"""

import re
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,4}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MAX_ARTIFACT_NAME: Final = 200
_MEDIA_TYPES: Final = frozenset(
    {
        "application/gzip",
        "application/json",
        "application/pdf",
        "application/zip",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/csv",
        "text/markdown",
        "text/plain",
        "text/x-diff",
    }
)
_ANY: Final = "application/octet-stream"


def is_blob_name(name: str) -> bool:
    """Return whether an object may have this name below its task's prefix."""
    return _NAME.fullmatch(name) is not None


def blob_key(task: str, name: str) -> str:
    """Return the key under which a task's object of this name is stored."""
    return f"tasks/{task}/{name}"


def is_own_key(task: str, key: str) -> bool:
    """Return whether the broker could have stored an object of this task under the key."""
    prefix = blob_key(task, "")
    return key.startswith(prefix) and is_blob_name(key.removeprefix(prefix))


def is_sha256(text: str) -> bool:
    """Return whether this is a SHA-256 digest in hexadecimal."""
    return _SHA256.fullmatch(text) is not None


def is_artifact_name(name: str) -> bool:
    """Return whether a name can be shown and asked for: printable, and not too long."""
    return 0 < len(name) <= _MAX_ARTIFACT_NAME and name.isprintable()


def served_media_type(claimed: str) -> str:
    """Return the media type an object is served with: the one claimed, if it is harmless."""
    return claimed if claimed in _MEDIA_TYPES else _ANY
