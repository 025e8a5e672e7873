"""Changes of the work against its base commit, as a worker stores them with a snapshot.

The object of `snapshot.taken`'s field `changes`: this shape as JSON, gzipped. The gateway has no
repository, so it sends from here what a person asks for (`GET /v1/tasks/{task}/changes`).
"""

import zlib
from gzip import compress
from typing import Final, Literal

import msgspec

from events.limits import is_too_deep

MAX_FILES: Final = 3_000
MAX_PATCH_BYTES: Final = 256 * 1024
MAX_PATCHES_BYTES: Final = 2 * 1024 * 1024
_MAX_BYTES: Final = 16 * 1024 * 1024  # patches in JSON's spelling, and 3,000 names

Change = Literal["added", "deleted", "modified", "renamed", "type_changed"]


class FileChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One changed file. Lines are counted whole, also where the patch is cut; of binary files none.

    `previous_path` is set when it was renamed. Modes are git's (100755: executable, 120000: a link,
    160000: a submodule), empty where there is no such file. `patch` is unified with three lines of
    context; cut or left out it `is_truncated`. What is no UTF-8 in it is U+FFFD.
    """

    path: str
    change: Change
    previous_path: str = ""
    insertions: int = 0
    deletions: int = 0
    is_binary: bool = False
    old_mode: str = ""
    new_mode: str = ""
    patch: str = ""
    is_truncated: bool = False


class StoredChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The changed files in the order of their paths; `files_left_out` counts those beyond 3,000."""

    files: tuple[FileChange, ...] = ()
    files_left_out: int = 0


_decoder = msgspec.json.Decoder(StoredChanges)


def encode_changes(changes: StoredChanges) -> bytes:
    """Return changes as they are stored; the same changes are always the same bytes."""
    return compress(msgspec.json.encode(changes), compresslevel=6, mtime=0)


def decode_changes(content: bytes) -> StoredChanges:
    """Read changes. Raises ValueError on what is none, or unpacks to more than a worker stores."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        text = unpacking.decompress(content, _MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"it is not gzipped: {error}") from error
    if not unpacking.eof:
        raise ValueError(f"it is cut short, or longer than {_MAX_BYTES} bytes")
    if is_too_deep(text):
        raise ValueError("it is nested too deep")
    changes = _decoder.decode(text)
    if len(changes.files) > MAX_FILES:
        raise ValueError(f"it lists more than {MAX_FILES} files")
    return changes
