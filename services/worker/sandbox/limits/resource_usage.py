"""Memory, disk and files that a sandbox without an engine uses, measured while it stands.

Control groups hold memory where the worker may make them; a file system's own quota is seldom
there. So the sums are measured: memory over the processes, disk and files over the directories.
A limit can be passed for as long as one measurement takes; then everything in the sandbox ends.
"""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_INTERVAL_SECONDS: Final = 0.5
_SHARE_OF_TIME: Final = 0.05  # a measurement of the directories takes at most this share
_DU_SECONDS: Final = 120.0
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_KIBIBYTE: Final = 1024
_BLOCK_BYTES: Final = 512  # of st_blocks, whatever the file system
_MEBIBYTE: Final = 1024 * 1024
_ROOM_BYTES: Final = 16 * _MEBIBYTE  # to clean up in, once a limit is passed
_ROOM_FILES: Final = 1_000
_UNNOTICED_BYTES: Final = 4 * _MEBIBYTE
_UNNOTICED_FILES: Final = 500


class Quota(NamedTuple):
    """The most that one directory may hold."""

    size_bytes: int
    files: int


class Usage(NamedTuple):
    """The content of one directory, counted."""

    size_bytes: int
    files: int


def memory_of(processes: Sequence[int], *, limit_bytes: int) -> int:
    """Return the memory of these processes and all they started, in bytes.

    Memory that several share counts for each of them until the sum passes the limit; then it is
    shared out, which takes longer to find out.
    """
    family = _family(processes)
    total_bytes = sum(_resident(process) for process in family)
    if total_bytes <= limit_bytes:
        return total_bytes
    return sum(_proportional(process) for process in family)


def removed_bytes(processes: Sequence[int], directories: Iterable[Path]) -> int:
    """Return what files hold that these processes and their children removed and keep open.

    Those of the file systems of `directories` count, which no listing of these finds. Blocks.
    """
    devices = {directory.stat().st_dev for directory in directories if directory.is_dir()}
    held: dict[tuple[int, int], int] = {}
    for process in _family(processes):
        with contextlib.suppress(OSError):
            for entry in os.scandir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    file = os.stat(entry.path)  # noqa: PTH116 - follows the link of the kernel
                    if file.st_nlink == 0 and file.st_dev in devices:
                        held[file.st_dev, file.st_ino] = file.st_blocks * _BLOCK_BYTES
    return sum(held.values())


class ResourceWatch:
    """Measures directories against their quotas, by a timer, and says which one is passed.

    `on_overrun` is called once with a sentence for people when a quota is passed. After that there
    is a little room above what stands there, so that the agent can remove what is too much.
    `exceeded_limit` is asked as often: a sentence when some other limit is passed, else empty.
    `processes` are those that run, whose removed files count too.
    """

    def __init__(
        self,
        quotas: Mapping[Path, tuple[str, Quota]],
        *,
        exceeded_limit: Callable[[], str],
        on_overrun: Callable[[str], None],
        processes: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        self._processes = processes
        self._quotas = quotas
        self._exceeded_limit = exceeded_limit
        self._on_overrun = on_overrun
        self._ceilings: dict[Path, Quota] = {}
        self._free: dict[Path, Usage] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Begin to measure. Needs a running event loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_INTERVAL_SECONDS, self._measure)

    def stop(self) -> None:
        """Measure no more."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _measure(self) -> None:
        if reason := self._exceeded_limit():
            self._on_overrun(reason)
        changed = [directory for directory in self._quotas if self._may_have_grown(directory)]
        if not changed:
            self.start()
            return
        loop = asyncio.get_running_loop()
        began = loop.time()

        running = self._processes()

        def done(future: "asyncio.Future[tuple[list[Usage | None], int]]") -> None:
            if self._is_stopped or future.cancelled():
                return
            usages, removed = future.result()
            self._judge_removed(removed)
            for directory, used in zip(changed, usages, strict=True):
                if used is not None:
                    self._judge(directory, used)
            pause_seconds = (loop.time() - began) / _SHARE_OF_TIME
            self._timer = loop.call_later(max(_INTERVAL_SECONDS, pause_seconds), self._measure)

        measured = loop.run_in_executor(
            None, lambda: ([measure(each) for each in changed], removed_bytes(running, changed))
        )
        measured.add_done_callback(done)

    def _may_have_grown(self, directory: Path) -> bool:
        """Ask the file system, which answers at once, whether anything was written at all."""
        try:
            system = os.statvfs(directory)
        except OSError:
            return False
        free = Usage(system.f_bfree * system.f_frsize, system.f_ffree)
        before = self._free.get(directory)
        if (
            before is not None
            and before.size_bytes - free.size_bytes < _UNNOTICED_BYTES
            and before.files - free.files < _UNNOTICED_FILES
        ):
            return False
        self._free[directory] = free
        return True

    def _judge_removed(self, size_bytes: int) -> None:
        limit = max(quota.size_bytes for _, quota in self._quotas.values())
        if size_bytes > limit:
            self._on_overrun(
                f"Ended: files that were removed and are still open hold "
                f"{size_bytes // _MEBIBYTE} MiB; the limit is {limit // _MEBIBYTE} MiB."
            )

    def _judge(self, directory: Path, used: Usage) -> None:
        shown, quota = self._quotas[directory]
        if used.size_bytes <= quota.size_bytes and used.files <= quota.files:
            self._ceilings.pop(directory, None)
            return
        ceiling = self._ceilings.get(directory, quota)
        if used.size_bytes <= ceiling.size_bytes and used.files <= ceiling.files:
            return
        self._ceilings[directory] = Quota(
            max(quota.size_bytes, used.size_bytes + _ROOM_BYTES),
            max(quota.files, used.files + _ROOM_FILES),
        )
        self._on_overrun(_sentence(shown, used, quota))


def measure(directory: Path) -> Usage | None:
    """Return what stands in a directory, however deep; None when it cannot be measured. Blocks."""
    try:
        sizes = _du(directory, "--block-size=1")
        return Usage(sizes, _du(directory, "--inodes"))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _du(directory: Path, what: str) -> int:
    ended = subprocess.run(
        ["du", "--summarize", "--one-file-system", what, "--", str(directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_DU_SECONDS,
        check=False,
    )
    return int(ended.stdout.split(b"\t", 1)[0])


def _sentence(shown: str, used: Usage, quota: Quota) -> str:
    if used.size_bytes > quota.size_bytes:
        much = f"{used.size_bytes // _MEBIBYTE} MiB"
        limit = f"{quota.size_bytes // _MEBIBYTE} MiB"
    else:
        much, limit = f"{used.files:,} files", f"{quota.files:,}"
    return f"Ended: {shown} holds {much}; the limit is {limit}. Remove what is not needed."


def _family(processes: Sequence[int]) -> list[int]:
    """Return these processes and all that descend from them, by the kernel's table."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (parent := _parent(entry.name)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], list(processes)
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children.get(process, ())
    return found


def _parent(process: str) -> int | None:
    with contextlib.suppress(OSError):
        text = Path("/proc", process, "stat").read_bytes()
        return int(text.rpartition(b")")[2].split()[1])  # the name may hold anything
    return None


def _resident(process: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{process}/statm").read_bytes().split()[1]) * _PAGE_BYTES
    return 0


def _proportional(process: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * _KIBIBYTE
        return 0
    return _resident(process)
