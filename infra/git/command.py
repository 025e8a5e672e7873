"""git as a program on the services' side: a bare repository that only the service touches.

Every call is an argument list; configuration comes from the call's environment alone
(git-config(1), GIT_CONFIG_COUNT), a credential too: it is in no URL, argument or file. No hooks, no
one else's configuration, no questions at a terminal; time, output and size are bounded.
"""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from infra.git.old_history_checks import tolerant_settings

_LOCAL_SECONDS: Final = 120.0
OUTPUT_BYTES: Final = 32 * 1024 * 1024
"""The bytes of git's output that are read at most, unless a caller gives another limit."""

_COMPLAINT_BYTES: Final = 64 * 1024
_PIECE_BYTES: Final = 64 * 1024
_WATCH_SECONDS: Final = 0.3
NO_PROTOCOL: Final = "none"
_SETTINGS: Final = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    # What is larger is compared as bytes: git would hold it, and its lines, in memory.
    "core.bigFileThreshold": "16m",
    "core.fsync": "none",  # what is in the bare repository is elsewhere too
    "credential.helper": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "protocol.version": "2",
    "transfer.bundleURI": "false",
    "transfer.fsckObjects": "true",
    **tolerant_settings("fetch"),
}


class GitResult(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a git command. `is_cut`: it wrote more than the limit, and was ended for that."""

    code: int
    stdout: bytes
    stderr: str
    is_cut: bool = False

    @property
    def is_done(self) -> bool:
        """True when git ended without an error."""
        return self.code == 0

    @property
    def text(self) -> str:
        """Return stdout as text, without the last line's end."""
        return self.stdout.decode(errors="replace").rstrip("\n")


class GitNotFound(Exception):
    """There is no git on this machine. The text says what was tried."""


class RepositoryTooLarge(Exception):
    """The repository outgrew its limit while it came in; git was ended."""


def access_setting(url: str, authorization: str) -> Mapping[str, str]:
    """Return the setting by which git sends a credential to the host of `url`, and to no other.

    Said at once: waiting to be asked costs git a round trip and two processes per call.
    """
    parts = urlsplit(url)
    name = f"http.{parts.scheme}://{parts.netloc}/.extraHeader"
    return {name: f"Authorization: {authorization}"}


class GitCommand:
    """Runs git in the bare repository `directory`.

    `protocols` are those it may speak, by colons, or NO_PROTOCOL; `settings` go on top of the safe
    ones. `limit_bytes` is how large the repository may become; `memory_bytes` bounds each process
    (0: no bound; Linux alone has it).
    """

    def __init__(
        self,
        directory: Path,
        *,
        settings: Mapping[str, str],
        protocols: str,
        limit_bytes: int,
        memory_bytes: int = 0,
    ) -> None:
        self.directory = directory
        self._program = shutil.which("git") or "git"
        self._limit_bytes = limit_bytes
        self._memory_bytes = memory_bytes
        settings = {**_SETTINGS, **settings}
        self._environment = {
            "PATH": f"{Path(self._program).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(directory),
            "LC_ALL": "C",
            "GIT_DIR": str(directory),
            "GIT_ALLOW_PROTOCOL": protocols,
            # Else git asks the forge for a missing object, and may die of a refused question.
            "GIT_NO_LAZY_FETCH": "1" if protocols == NO_PROTOCOL else "0",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for number, (key, value) in enumerate(settings.items()):
            self._environment[f"GIT_CONFIG_KEY_{number}"] = key
            self._environment[f"GIT_CONFIG_VALUE_{number}"] = value

    async def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        timeout_seconds: float = _LOCAL_SECONDS,
        output_limit_bytes: int = OUTPUT_BYTES,
        is_watched: bool = False,
    ) -> GitResult:
        """Run git, and wait for its end. A cancelled call ends git and its children.

        A timeout is an ending like any other (code 124), and so is output beyond the limit (code
        125): no more than the limit is ever read. Raises GitNotFound, and, if watched,
        RepositoryTooLarge as soon as the repository outgrows its limit.
        """
        process = await self.start(arguments, {**self._environment, **(environment or {})})
        try:
            async with asyncio.timeout(timeout_seconds):
                spoken = await self._converse(
                    process, stdin, output_limit_bytes, is_watched=is_watched
                )
                await process.wait()
        except TimeoutError:
            return GitResult(code=124, stdout=b"", stderr=f"timed out after {timeout_seconds:g} s")
        finally:
            if process.returncode is None:
                _end(process)
                await process.wait()
        code = 125 if spoken.is_cut else process.returncode or 0
        told = spoken.stderr.decode(errors="replace")
        if spoken.is_cut:
            told = f"wrote more than {output_limit_bytes} bytes, which is too large. {told}"
        return GitResult(code=code, stdout=spoken.stdout, stderr=told, is_cut=spoken.is_cut)

    async def start(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        """Start git in a session of its own. Raises GitNotFound."""
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                cwd=self.directory,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise GitNotFound(str(error)) from error
        if self._memory_bytes:
            _bound_memory(process.pid, self._memory_bytes)
        return process

    async def _converse(
        self,
        process: asyncio.subprocess.Process,
        stdin: bytes,
        limit_bytes: int,
        *,
        is_watched: bool,
    ) -> "_Spoken":
        is_over = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                if is_watched:
                    group.create_task(self._watch(is_over))
                group.create_task(_write(process, stdin))
                complaints = group.create_task(_last_of(process.stderr, _COMPLAINT_BYTES))
                stdout, is_cut = await _first_of(process.stdout, limit_bytes)
                if is_cut:
                    _end(process)
                    await _last_of(process.stdout, 0)  # what is left in the pipe closes it
                await complaints
                is_over.set()
                if is_watched:
                    self._check_size()
        except* RepositoryTooLarge as group_of:
            too_large = group_of
        else:
            return _Spoken(stdout, complaints.result(), is_cut)
        raise RepositoryTooLarge from too_large

    async def _watch(self, until: asyncio.Event) -> None:
        while not until.is_set():
            try:
                async with asyncio.timeout(_WATCH_SECONDS):
                    await until.wait()
            except TimeoutError:
                self._check_size()

    def _check_size(self) -> None:
        if _size_of(self.directory / "objects") > self._limit_bytes:
            raise RepositoryTooLarge


class _Spoken(NamedTuple):
    stdout: bytes
    stderr: bytes
    is_cut: bool


def _bound_memory(pid: int, limit_bytes: int) -> None:
    """Bound the address space of a process and of its children, where the system can do that."""
    if sys.platform == "linux":
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(pid, resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _write(process: asyncio.subprocess.Process, content: bytes) -> None:
    """Feed a process; what has ended, or wants no more, is fed no more."""
    if process.stdin is None:
        return
    # uvloop closes the pipe of a process that ended, and raises when a closed pipe is written to.
    if content and not process.stdin.is_closing():
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # git may not want it all
            process.stdin.write(content)
            await process.stdin.drain()
    process.stdin.close()


async def _first_of(stream: asyncio.StreamReader | None, limit_bytes: int) -> tuple[bytes, bool]:
    """Read a stream to its end or to the limit; tell whether there was more."""
    kept = bytearray()
    while stream is not None and (piece := await stream.read(_PIECE_BYTES)):
        kept += piece
        if len(kept) > limit_bytes:
            return bytes(kept[:limit_bytes]), True
    return bytes(kept), False


async def _last_of(stream: asyncio.StreamReader | None, limit_bytes: int) -> bytes:
    """Read a stream to its end and keep its last bytes."""
    kept = b""
    while stream is not None and (piece := await stream.read(_PIECE_BYTES)):
        kept = (kept + piece)[-limit_bytes:] if limit_bytes else b""
    return kept


def _size_of(directory: Path) -> int:
    """Return the bytes of all files under a directory, some of which may vanish meanwhile."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
    return total
