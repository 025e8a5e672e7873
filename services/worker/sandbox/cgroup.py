"""Control groups, where the worker may make them: memory and processes of a whole sandbox.

Both kernels' interfaces are known: cgroup v2 (admin-guide/cgroup-v2.rst) and v1, one hierarchy a
controller. Where neither is writable there are none, and the limits of each process remain.
"""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

_ROOT: Final = Path("/sys/fs/cgroup")
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.05


class ControlGroups(msgspec.Struct, frozen=True):
    """The directories a process joins by writing its id to each one's `cgroup.procs`."""

    directories: tuple[Path, ...] = ()

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


def make_control_groups(name: str, *, memory_bytes: int, processes: int) -> ControlGroups:
    """Make groups with these limits; those that cannot be made are left out."""
    if (_ROOT / "cgroup.controllers").exists():
        return _version_2(name, memory_bytes, processes)
    made = []
    for controller, limits in (
        ("memory", {"memory.limit_in_bytes": str(memory_bytes)}),
        ("pids", {"pids.max": str(processes)}),
    ):
        directory = _ROOT / controller / name
        if _make(directory, limits):
            made.append(directory)
    return ControlGroups(tuple(made))


def _version_2(name: str, memory_bytes: int, processes: int) -> ControlGroups:
    _write(_ROOT / "cgroup.subtree_control", "+memory +pids")
    limits = {"memory.max": str(memory_bytes), "memory.swap.max": "0", "pids.max": str(processes)}
    return ControlGroups((_ROOT / name,) if _make(_ROOT / name, limits) else ())


def _make(directory: Path, limits: dict[str, str]) -> bool:
    try:
        directory.mkdir(exist_ok=True)  # a killed worker of this task left it
    except OSError:
        return False
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
