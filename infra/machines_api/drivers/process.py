"""Driver `process`: a machine is a child process in a session and process group of its own.

It gets the variables it was configured with and a bare PATH, HOME and LANG, never this program's
environment, and a scratch directory that goes when the machine does. On Linux it dies with this
program (PR_SET_PDEATHSIG). No limit on CPU or memory is applied.
"""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import psutil

from infra.machines_api.drivers.driver import Exit, Launch, LaunchFailed
from infra.runtime.tree_removal import remove_tree

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SIGNAL_EXIT_BASE = 128
_REMOVAL_SECONDS = 3.0


class ProcessInstance:
    """A running child and the group it leads."""

    def __init__(self, process: asyncio.subprocess.Process, sweep: Callable[[], None]) -> None:
        self._process = process
        self._sweep = sweep

    async def wait(self) -> Exit:
        """Return when the leader has ended; the rest of its group goes with it, as on a VM."""
        code = await self._process.wait()
        self.kill()
        await asyncio.to_thread(self._sweep)
        if code < 0:
            return Exit(exit_code=_SIGNAL_EXIT_BASE - code, signal=-code)
        return Exit(exit_code=code)

    def signal(self, number: int) -> None:
        """Send a signal to the leader."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the group."""
        with suppress(ProcessLookupError, PermissionError):  # macOS: a zombie's group is EPERM
            os.killpg(self._process.pid, signal.SIGKILL)


class ProcessDriver:
    """Runs `command` for every machine, whatever its image: the image is this installation."""

    def __init__(
        self,
        directory: Path,
        command: Sequence[str],
        *,
        source_path: Path,
        search_path: str,
        image_env: dict[str, str],
    ) -> None:
        self._scratch = directory / "scratch"
        self._removed = directory / "removed"
        self._logs = directory / "logs"
        self._command = command
        self._source_path = source_path
        self._search_path = search_path
        self._image_env = image_env
        for path in (self._scratch, self._removed, self._logs):
            path.mkdir(parents=True, exist_ok=True)
        self._bind_to_parent = _death_bond()

    async def launch(self, launch: Launch) -> ProcessInstance:
        """Start the command. Raises LaunchFailed when it cannot be executed."""
        try:
            process = await self._start(launch)
        except OSError as error:
            raise LaunchFailed(f"failed to launch VM: {error}") from error
        return ProcessInstance(process, lambda: _kill_strays(launch.machine))

    async def sweep(self, machine: str) -> None:
        """Kill every process that carries the machine's id in its environment."""
        await asyncio.to_thread(_kill_strays, machine)

    async def remove(self, machine: str) -> None:
        """Remove the scratch directory, and what of earlier ones could not be removed.

        A machine does not stay for the size of what it leaves: that goes on being removed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_REMOVAL_SECONDS):
                await asyncio.to_thread(self._remove, machine)

    def _remove(self, machine: str) -> None:
        with suppress(OSError):  # there is none
            (self._scratch / machine).rename(self._removed / machine)
        for tree in self._removed.iterdir():
            remove_tree(tree)

    async def _start(self, launch: Launch) -> asyncio.subprocess.Process:
        scratch = self._scratch / launch.machine
        _prepare(scratch)
        with _open_log(self._logs / f"{launch.machine}.log") as log:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=scratch,
                env=self._environment(launch, scratch),
                start_new_session=True,
                preexec_fn=self._bind_to_parent,
            )

    def _environment(self, launch: Launch, scratch: Path) -> dict[str, str]:
        return {
            "PATH": self._search_path,
            "HOME": str(scratch / "home"),
            "TMPDIR": str(scratch / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self._source_path),
            "PYTHONUNBUFFERED": "1",
            **self._image_env,
            **launch.env,
        }


def _prepare(scratch: Path) -> None:
    for part in ("home", "tmp"):
        (scratch / part).mkdir(parents=True, exist_ok=True, mode=0o700)


def _open_log(path: Path) -> BinaryIO:
    return path.open("ab")


def _death_bond() -> Callable[[], None] | None:
    """Make what a child runs before its program: ask to be killed when this process dies.

    Looked up here, before any fork, so that the child only makes the one system call.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return bind


def _kill_strays(machine: str) -> None:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get("FLY_MACHINE_ID") == machine:
                process.kill()
