"""A directory for servers whose data nobody wants after the test: in memory, where there is room.

A server waits for the disk at every commit, and dropping a database waits for all of them. A
`kill -9` loses no more in memory than on a disk: what a program has written is the kernel's.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

_MEMORY: Final = Path("/dev/shm")
_ROOM_BYTES: Final = 8 * 1024**3


def has_room_in_memory() -> bool:
    """Return whether a directory in memory may hold programs, and all the suite's servers write."""
    return (
        _MEMORY.is_dir()
        and os.access(_MEMORY, os.W_OK)
        and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
        and min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available) > _ROOM_BYTES
    )


@contextmanager
def server_directory() -> Iterator[Path]:
    """Make a directory, and remove it when the block is left."""
    place = _MEMORY if has_room_in_memory() else None
    with tempfile.TemporaryDirectory(
        prefix="errand-", dir=place, ignore_cleanup_errors=True
    ) as directory:
        yield Path(directory)
