"""Control groups, where the worker may make them: memory and processes of a whole sandbox.

Both kernels' interfaces are known: cgroup v2 (admin-guide/cgroup-v2.rst) and v1, one hierarchy a
controller. Where neither is writable there are none, and the limits of each process remain.
A worker holds a lock (flock(2)) on its groups. Those of a killed one are locked by nobody, and the
next worker that starts removes them; an empty group alone may be that of a sandbox at rest.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

PREFIX: Final = "errand-box-"

_ROOT: Final = Path("/sys/fs/cgroup")
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.05


class ControlGroups(msgspec.Struct, frozen=True):
    """The directories a process joins by writing its id to each one's `cgroup.procs`."""

    directories: tuple[Path, ...] = ()
    locks: tuple[int, ...] = ()

    @property
    def holds_memory(self) -> bool:
        """Return whether the kernel limits the memory of all processes together."""
        return any(
            (directory / name).exists()
            for directory in self.directories
            for name in ("memory.max", "memory.limit_in_bytes")
        )

    async def remove(self) -> None:
        """End whatever is left in them, and remove them."""
        for directory in self.directories:
            _write(directory / "cgroup.kill", "1")
            for _ in range(_TRIES):
                try:
                    directory.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # a process in it is still on its way out
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    break
        for lock in self.locks:
            os.close(lock)


def make_control_groups(name: str, *, memory_bytes: int, processes: int) -> ControlGroups:
    """Make groups with these limits; what cannot be made is left out.

    `name` begins with PREFIX and is of one sandbox alone. The groups of killed workers are removed.
    """
    made, locks = [], []
    for parent, limits in _limits(memory_bytes, processes):
        _sweep(parent)
        directory = parent / name
        lock = _locked(directory)
        if lock is not None and _limit(directory, limits):
            made.append(directory)
            locks.append(lock)
        elif lock is not None:
            os.close(lock)
    return ControlGroups(tuple(made), tuple(locks))


def _limits(memory_bytes: int, processes: int) -> Iterator[tuple[Path, dict[str, str]]]:
    memory, pids = str(memory_bytes), str(processes)
    if (_ROOT / "cgroup.controllers").exists():
        _write(_ROOT / "cgroup.subtree_control", "+memory +pids")
        yield _ROOT, {"memory.max": memory, "memory.swap.max": "0", "pids.max": pids}
    else:
        yield _ROOT / "memory", {"memory.limit_in_bytes": memory}
        yield _ROOT / "pids", {"pids.max": pids}


def _sweep(parent: Path) -> None:
    """Remove the groups of killed workers: those that nobody holds, and in which nothing runs."""
    for directory in parent.glob(f"{PREFIX}*"):
        try:
            held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            directory.rmdir()
        except OSError:
            continue
        finally:
            os.close(held)


def _locked(directory: Path) -> int | None:
    """Make a group and hold it; a sweep may remove it in between, so look again."""
    for _ in range(_TRIES):
        try:
            directory.mkdir(exist_ok=True)
            held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        fcntl.flock(held, fcntl.LOCK_SH)
        if directory.exists():
            return held
        os.close(held)
    return None


def _limit(directory: Path, limits: dict[str, str]) -> bool:
    written = [
        _write(directory / file, text) for file, text in limits.items() if file != "memory.swap.max"
    ]
    _write(directory / "memory.swap.max", limits.get("memory.swap.max", ""))
    if all(written):
        return True
    directory.rmdir()
    return False


def _write(file: Path, text: str) -> bool:
    try:
        if not file.exists():
            return False
        file.write_text(text)
    except OSError:
        return False
    return True
