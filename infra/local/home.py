"""The directory a stack lives in: one stack at a time, its data, its secrets, its sockets."""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from events.protocol.local_stack import STACK_FILE
from infra.runtime.tree_removal import remove_tree

_MAX_SOCKET_DIRECTORY_BYTES = 80  # leaves room for the names in it, on Linux (107) and macOS
_SHORT = "errand-"
_PRIVATE = 0o700


class AlreadyRunning(Exception):
    """Another stack runs in this directory; the text says which process."""


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """The places of one stack, and the plain environment of its programs.

    `sockets` is short enough for a unix socket's address, wherever `directory` is.
    """

    directory: Path
    sockets: Path
    environment: Mapping[str, str]

    @property
    def secrets(self) -> Path:
        """The folder of keys and credentials."""
        return self.directory / "keys"

    @property
    def logs(self) -> Path:
        """The folder of every program's log."""
        return self.directory / "logs"

    @property
    def stack_file(self) -> Path:
        """The description of the stack for its clients on this machine; there while it runs."""
        return self.directory / STACK_FILE


@contextmanager
def inhabited(directory: Path, environment: Mapping[str, str]) -> Iterator[Home]:
    """Take possession of the directory, made when missing, until the block is left.

    Raises AlreadyRunning when another stack has it.
    """
    place = directory.absolute()
    for each in (place, place / "keys", place / "logs"):
        each.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    with _locked(place), _socket_directory(place) as sockets:
        yield Home(directory=place, sockets=sockets, environment=environment)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock that the kernel gives back however this process ends."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            owner = lock.read().strip() or "unknown"
            raise AlreadyRunning(
                f"Errand is running already in {directory} (process {owner}). Use that one, stop it"
                " with Ctrl-C where it was started, or give another --directory."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextmanager
def _socket_directory(directory: Path) -> Iterator[Path]:
    """Offer a private directory with a short path; `<directory>/run` leads to it either way."""
    link = directory / "run"
    if link.is_symlink():  # a run that was killed left it; its target may be gone
        if link.readlink().name.startswith(_SHORT):
            remove_tree(link.readlink())
        link.unlink()
    if len(os.fsencode(link)) <= _MAX_SOCKET_DIRECTORY_BYTES:
        link.mkdir(mode=_PRIVATE, exist_ok=True)
        yield link
        return
    if link.is_dir():
        remove_tree(link)
    with tempfile.TemporaryDirectory(prefix=_SHORT, ignore_cleanup_errors=True) as short:
        link.symlink_to(short)
        try:
            yield Path(short)
        finally:
            link.unlink(missing_ok=True)
