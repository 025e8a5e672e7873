"""Backends of the sandbox: each kind starts commands, hands on their output, ends everything.

`services.worker.sandbox.sandbox` builds the Sandbox of the agent on this; the modules of
`services.worker.sandbox.backends` satisfy it.
"""

import socket
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

WORKSPACE: Final = "/workspace"
HOME: Final = "/home/agent"
TEMPORARY: Final = "/tmp"  # noqa: S108 - of the sandbox
USER_ID: Final = 10001

INSTALLED_FOR_ITSELF: Final = (f"{HOME}/.local/bin", f"{HOME}/.cargo/bin", f"{HOME}/go/bin")
"""Directories in which pip, npm, cargo and go install for a user: last on PATH."""

STDOUT: Final = 1
STDERR: Final = 2

_MEBIBYTE: Final = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the resources that a sandbox may use.

    `files`: the number of files and directories that each writable place may hold.
    `disk_floor_bytes`, `files_floor`: what commands must leave free on the machine's own disk.
    `lifetime_seconds`: after which a container whose worker was killed ends by itself.
    """

    memory_bytes: int = 2048 * _MEBIBYTE
    processes: int = 512
    open_files: int = 4096
    file_bytes: int = 2048 * _MEBIBYTE
    workspace_bytes: int = 2048 * _MEBIBYTE
    scratch_bytes: int = 512 * _MEBIBYTE
    files: int = 500_000
    disk_floor_bytes: int = 512 * _MEBIBYTE
    files_floor: int = 10_000
    cpus: float = 2.0
    lifetime_seconds: int = 24 * 3600


class RunningCommand(Protocol):
    """A command that runs inside."""

    @property
    def is_ended(self) -> bool:
        """Return whether it is known to have ended."""
        ...

    async def send(self, content: bytes) -> None:
        """Write to its input. Writing to a command that reads no more is no error."""
        ...

    async def end_input(self) -> None:
        """Close its input."""
        ...

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next piece of output and its stream (1 or 2); None when there is no more."""
        ...

    async def exit_code(self) -> int:
        """Wait for its end; 128 + n when signal n ended it."""
        ...

    async def kill(self) -> None:
        """End it and everything it began, whatever its state. May be called twice."""
        ...

    async def close(self) -> None:
        """Release it after its end."""
        ...


class EgressServer(Protocol):
    """The one way out of a sandbox that has one: `services.worker.sandbox.egress.proxy`."""

    async def serve(self, listener: socket.socket) -> None:
        """Answer whoever connects to a listening socket, which is its own from now on."""
        ...

    async def close(self) -> None:
        """Close every connection and the listener. May be called twice."""
        ...


class SandboxBackend(Protocol):
    """A place that commands cannot leave (or, for `none`, one that pretends to be)."""

    name: str

    async def create(self) -> None:
        """Make the place. Raises SandboxUnavailable with a remedy."""
        ...

    async def start_command(self, command: Sequence[str], *, is_split: bool) -> RunningCommand:
        """Run a command in /workspace; with `is_split` stderr comes apart from stdout.

        Raises SandboxUnavailable when the place is gone.
        """
        ...

    def exceeded_limit(self) -> str:
        """Return the limit that commands exceed and nothing else enforces; empty if none."""
        ...

    def take_end_reason(self) -> str:
        """Return why everything inside was ended between commands, once; empty if it was not."""
        ...

    async def destroy(self) -> None:
        """End everything and remove the place. May be called twice."""
        ...
