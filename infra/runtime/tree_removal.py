"""Removal of directory trees that untrusted code wrote: of any depth, any mode, any name.

`shutil.rmtree` calls itself once per level before Python 3.13, and a path of thousands of levels is
longer than the kernel takes. Here a few levels are walked down, by open directories and not by
paths, and what lies deeper is moved up to the first level.

Callers: the worker's sandboxes and workspace, the local Machines API, the local forge.
"""

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from infra.runtime.telemetry import logger

_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS of linux/fs.h
_LEVELS_AT_ONCE: Final = 64
_PROTECTED: Final = 0x30  # FS_IMMUTABLE_FL | FS_APPEND_FL

_log = logger(__name__)


def remove_tree(path: Path) -> bool:
    """Remove a file or a directory with all it holds; return whether nothing is left.

    Never raises for what it finds there: what resists is logged, and may be tried again later.
    Links are removed, not followed.
    """
    try:
        _remove(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        _log.warning("tree_removal.failed", path=repr(str(path)), error=repr(error))
        return False
    return True


@contextmanager
def temporary_directory(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Make a private directory that untrusted code may fill; remove it at the end."""
    directory = Path(mkdtemp(prefix=prefix, dir=parent))
    try:
        yield directory
    finally:
        remove_tree(directory)


def _remove(path: Path) -> None:
    mode = path.lstat().st_mode
    if not stat.S_ISDIR(mode):
        path.unlink()
        return
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        with suppress(OSError):
            path.chmod(stat.S_IRWXU)
    root = os.open(path, _OPEN)
    try:
        _empty(root)
    finally:
        os.close(root)
    path.rmdir()


def _empty(root: int) -> None:
    """Remove all that a directory holds. Raises the first OSError of what resists, at the end."""
    prefix, moved = secrets.token_hex(8), 0
    resisting: dict[str, OSError] = {}

    def fresh_name() -> str:
        nonlocal moved
        moved += 1
        return f"{prefix}-{moved}"

    while names := [name for name in os.listdir(root) if name not in resisting]:
        for name in names:
            try:
                _remove_entry(root, name, fresh_name)
            except OSError as error:
                resisting[name] = error
    for trouble in resisting.values():
        if not isinstance(trouble, FileNotFoundError):  # else somebody else removed it
            raise trouble


def _remove_entry(root: int, name: str, fresh_name: Callable[[], str]) -> None:
    """Remove a file or a directory. Directories below the deepest that is walked are moved up."""
    if not _is_directory(root, name):
        _remove_with_retry(root, name, lambda: os.unlink(name, dir_fd=root))
        return
    trouble: OSError | None = None
    levels = [_Level(root, name)]
    try:
        while levels:
            here = levels[-1]
            try:
                if not here.names:
                    levels.pop().close()
                    _remove_with_retry(here.parent, here.name, here.remove)
                    continue
                child = here.names.pop()
                if not _is_directory(here.descriptor, child):
                    _remove_with_retry(
                        here.descriptor, child, partial(os.unlink, child, dir_fd=here.descriptor)
                    )
                elif len(levels) < _LEVELS_AT_ONCE:
                    levels.append(_Level(here.descriptor, child))
                else:
                    _remove_with_retry(
                        here.descriptor, child, partial(here.move_up, child, root, fresh_name())
                    )
            except OSError as error:
                trouble = trouble or error
    finally:
        for level in levels:
            level.close()
    if trouble is not None:
        raise trouble


class _Level:
    """One directory that is being emptied, open, with the names it still holds."""

    def __init__(self, parent: int, name: str) -> None:
        self.parent = parent
        self.name = name
        self.descriptor = os.open(name, _OPEN, dir_fd=parent)
        self.names = os.listdir(self.descriptor)  # noqa: PTH208 - a descriptor has no Path

    def close(self) -> None:
        os.close(self.descriptor)

    def remove(self) -> None:
        os.rmdir(self.name, dir_fd=self.parent)

    def move_up(self, child: str, root: int, name: str) -> None:
        os.rename(child, name, src_dir_fd=self.descriptor, dst_dir_fd=root)


def _is_directory(parent: int, name: str) -> bool:
    """Return whether it is a directory, and let its owner, who we are, into one that is closed."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if not stat.S_ISDIR(mode):
        return False
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        with suppress(OSError):
            os.chmod(name, stat.S_IRWXU, dir_fd=parent)
    return True


def _remove_with_retry(parent: int, name: str, remove: Callable[[], None]) -> None:
    """Remove; when that is not permitted, take protecting flags away and try once more."""
    try:
        remove()
    except PermissionError:
        _unprotect(parent)
        with suppress(OSError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            entry = os.open(name, flags, dir_fd=parent)
            try:
                _unprotect(entry)
            finally:
                os.close(entry)
        remove()


def _unprotect(file: int) -> None:
    """Take `chattr +i` and `+a` back, where the system has them and we may."""
    with suppress(OSError):
        flags = bytearray(8)
        ioctl(file, _GET_FLAGS, flags)
        number = int.from_bytes(flags, "little")
        if number & _PROTECTED:
            ioctl(file, _SET_FLAGS, (number & ~_PROTECTED).to_bytes(8, "little"))
