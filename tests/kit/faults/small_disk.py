"""A small file system of a test's own, to be filled. Only root can mount one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.place).free

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no page free until the block is left."""
        try:
            with self._ballast.open("ab") as ballast:
                while self.free_bytes:
                    ballast.seek(0, os.SEEK_END)
                    os.posix_fallocate(ballast.fileno(), ballast.tell(), self.free_bytes)
            yield
        finally:
            self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(place: Path, *, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a tmpfs at a new directory; skips the test where that is refused."""
    place.mkdir(mode=0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", place]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        pytest.skip(f"no file system can be mounted here: {said.strip()}")
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
