"""One supervised program and the process it has at the moment.

Caller: `infra.local.process.supervisor`, which says when to start, keep and stop it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

Probe = Callable[[], Awaitable[None]]
Announce = Callable[[str], None]

_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
_POLL_SECONDS = 0.05
_PROBE_SECONDS = 5.0
_FIRST_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 5.0
_STEADY_SECONDS = 10.0
_LOG_LINES_SHOWN = 15
_LOG_BYTES_READ = 16384


class Unhealthy(Exception):
    """A probe's answer while its program does not serve yet; the text says what it saw."""


class FailedToStart(Exception):
    """A program did not come up; the text holds the cause and its last words."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program to run, and the check that it serves.

    `healthy` returns when the program serves and raises `Unhealthy` or `OSError` while it does not.
    `command[0]` is an absolute path. `user` is whom to run as instead of root.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    healthy: Probe
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 3.0
    start_seconds: float = 30.0
    user: str | None = None


def launch(command: Sequence[str], user: str | None = None) -> tuple[str, ...]:
    """Wrap a command so that it dies with this process, and runs as `user` when one is named."""
    identity = () if user is None else ("--user", user)
    return (sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), *identity, "--", *command)


class Child:
    """A program being kept alive. Its log is written afresh at the first start."""

    def __init__(self, program: Program, log: Path, announce: Announce) -> None:
        self.program = program
        self._log = log
        self._announce = announce
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._serving = asyncio.Event()
        self._seen = "it was never asked"

    @property
    def pid(self) -> int:
        """The process id of now. Raises ProcessLookupError before the first start."""
        if self._process is None:
            raise ProcessLookupError(f"{self.program.name} is not running.")
        return self._process.pid

    async def start(self) -> None:
        """Run the program and wait until it serves. Raises FailedToStart."""
        self._process = process = await self._spawn()
        try:
            async with asyncio.timeout(self.program.start_seconds):
                await self._until_healthy(process)
        except TimeoutError:
            await self._end(process)
            what = f"was not ready within {self.program.start_seconds:g} s ({self._seen})"
            raise self._failure(what) from None
        self._serving.set()

    def keep(self, group: asyncio.TaskGroup) -> None:
        """Start the program again whenever it dies, from now until `stop`."""
        self._watch = group.create_task(self._keep_alive())

    def kill(self) -> None:
        """Kill the process without warning."""
        self._serving.clear()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    async def restart(self) -> None:
        """End the process in order, and return when the next one serves."""
        self._serving.clear()
        if self._process is not None:
            await self._end(self._process)
        await self.serving()

    async def serving(self) -> None:
        """Return when the program serves."""
        await self._serving.wait()

    async def stop(self) -> None:
        """End the process, all it started, and the watch over it."""
        self._serving.clear()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        if self._process is not None:
            await self._end(self._process)

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        backoff_seconds = _FIRST_BACKOFF_SECONDS
        while self._process is not None:
            started = loop.time()
            code = await self._process.wait()
            self._serving.clear()
            _kill_group(self._process.pid)
            self._announce(f"{self.program.name} ended ({_meaning(code)}); starting it again.")
            if loop.time() - started > _STEADY_SECONDS:
                backoff_seconds = _FIRST_BACKOFF_SECONDS
            await asyncio.sleep(backoff_seconds)
            backoff_seconds = min(2 * backoff_seconds, _MAX_BACKOFF_SECONDS)
            try:
                await self.start()
                self._announce(f"{self.program.name} is up again.")
            except FailedToStart as failure:
                self._announce(str(failure))

    async def _spawn(self) -> asyncio.subprocess.Process:
        with self._log.open("wb" if self._process is None else "ab") as log:
            return await asyncio.create_subprocess_exec(
                *launch(self.program.command, self.program.user),
                env=dict(self.program.environment),
                cwd=self.program.directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _until_healthy(self, process: asyncio.subprocess.Process) -> None:
        while True:
            if process.returncode is not None:
                raise self._failure(f"ended at once ({_meaning(process.returncode)})")
            try:
                async with asyncio.timeout(_PROBE_SECONDS):
                    return await self.program.healthy()
            except (Unhealthy, OSError) as reason:  # a TimeoutError is an OSError
                self._seen = str(reason) or "no answer"
            await asyncio.sleep(_POLL_SECONDS)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Ask the process to stop, then kill it and all it started."""
        family = _descendants(process.pid)
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(self.program.stop_signal)
            try:
                async with asyncio.timeout(self.program.stop_seconds):
                    await process.wait()
            except TimeoutError:
                family = [*family, *_descendants(process.pid)]
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        _kill_group(process.pid)
        for relative in family:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                relative.kill()  # psutil makes sure it is still the same process

    def _failure(self, what: str) -> FailedToStart:
        said = _tail(self._log) or "  (nothing)"
        return FailedToStart(
            f"{self.program.name} {what}. Its last words, from {self._log}:\n{said}"
        )


def _meaning(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _kill_group(pid: int) -> None:
    """Kill what is left of the session a child led; the child itself is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_BYTES_READ))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_LOG_LINES_SHOWN:])
