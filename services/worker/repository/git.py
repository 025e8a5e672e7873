"""git on the worker's side: a bare repository that only the worker touches.

Nothing that a sandbox could write is ever read here but objects that git has checked. Every call is
an argument list; configuration comes from the call's environment alone (git-config(1),
GIT_CONFIG_COUNT), the token too: it is in no URL, argument or file.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from infra.git_quirks import forgiving
from services.worker.ports import WorkspaceRefused

_LOCAL_SECONDS: Final = 120.0
_WATCH_SECONDS: Final = 0.3
_SETTINGS: Final = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
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
    **forgiving("fetch"),
}


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a git command ended."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def is_done(self) -> bool:
        """Whether git did what it was told."""
        return self.code == 0

    @property
    def text(self) -> str:
        """Return stdout as text, without the last line's end."""
        return self.stdout.decode(errors="replace").rstrip("\n")


class TooLarge(Exception):
    """The repository outgrew its limit while it came in; git was ended."""


class Git:
    """Runs git in the bare repository `directory`, which may speak to the host of `url` alone."""

    def __init__(self, directory: Path, *, url: str, token: str, limit_bytes: int) -> None:
        self.directory = directory
        self._program = shutil.which("git") or "git"
        self._limit_bytes = limit_bytes
        parts = urlsplit(url)
        access = b64encode(f"x-access-token:{token}".encode()).decode()
        settings = {
            **_SETTINGS,
            # Said at once: waiting to be asked costs git a round trip and two processes a call.
            f"http.{parts.scheme}://{parts.netloc}/.extraHeader": f"Authorization: Basic {access}",
        }
        self._environment = {
            "PATH": f"{Path(self._program).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(directory),
            "LC_ALL": "C",
            "GIT_DIR": str(directory),
            "GIT_ALLOW_PROTOCOL": "http:https",
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
        is_watched: bool = False,
    ) -> Ended:
        """Run git, and wait for its end. A cancelled call ends git and its children.

        A timeout is an ending like any other (code 124). Raises WorkspaceRefused when there is no
        git on this machine, and, if watched, TooLarge as soon as the repository outgrows its limit.
        """
        process = await self._start(arguments, {**self._environment, **(environment or {})})
        try:
            async with asyncio.timeout(timeout_seconds):
                stdout, stderr = await self._spoken(process, stdin, is_watched=is_watched)
        except TimeoutError:
            return Ended(code=124, stdout=b"", stderr=f"timed out after {timeout_seconds:g} s")
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        code = process.returncode if process.returncode is not None else 124
        return Ended(code=code, stdout=stdout, stderr=stderr.decode(errors="replace"))

    async def done(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run git on what the worker itself made; return stdout. A failure is a bug: OSError."""
        ended = await self.run(*arguments, stdin=stdin)
        if not ended.is_done:
            raise OSError(f"git {arguments[0]} ended with {ended.code}: {ended.stderr.strip()}")
        return ended.stdout

    async def _start(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
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
            raise WorkspaceRefused(
                "repository_refused",
                f"The worker cannot run git: {error}.",
                "Install git on the worker's machine.",
            ) from error

    async def _spoken(
        self, process: asyncio.subprocess.Process, stdin: bytes, *, is_watched: bool
    ) -> tuple[bytes, bytes]:
        if not is_watched:
            return await process.communicate(stdin)
        is_over = asyncio.Event()
        spoken = (b"", b"")
        is_too_large = False  # raised after `except*`: see tests/architecture
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(is_over))
                spoken = await process.communicate(stdin)
                is_over.set()
                self._check_size()
        except* TooLarge:
            is_too_large = True
        if is_too_large:
            raise TooLarge
        return spoken

    async def _watch(self, until: asyncio.Event) -> None:
        while not until.is_set():
            try:
                async with asyncio.timeout(_WATCH_SECONDS):
                    await until.wait()
            except TimeoutError:
                self._check_size()

    def _check_size(self) -> None:
        if _size_of(self.directory / "objects") > self._limit_bytes:
            raise TooLarge


def _size_of(directory: Path) -> int:
    """Return the bytes of all files under a directory, some of which may vanish meanwhile."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
    return total
