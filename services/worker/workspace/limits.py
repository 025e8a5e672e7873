"""Size limits of a repository and its work."""

from typing import Final

import msgspec

_MEBIBYTE: Final = 1024 * 1024


class WorkspaceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of the repository with its history, of the work's pack, and of one file of the work.

    A file larger than `file_bytes` is left out of the work.
    """

    repository_bytes: int = 2048 * _MEBIBYTE
    snapshot_bytes: int = 256 * _MEBIBYTE
    file_bytes: int = 50 * _MEBIBYTE
