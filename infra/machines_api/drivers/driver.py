"""Protocol of a driver, so that process and container are the same to the host."""

from typing import Protocol

import msgspec


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One start of one machine. `instance` differs between starts, `machine` does not."""

    machine: str
    instance: str
    image: str
    env: dict[str, str]
    memory_mb: int


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """End of a process. `exit_code` is 128 + signal after a signal; `signal` is -1 without one."""

    exit_code: int
    signal: int = -1
    oom_killed: bool = False
    error: str = ""


class LaunchFailed(Exception):
    """The machine could not be started; the text says why."""


class Instance(Protocol):
    """A machine that runs."""

    async def wait(self) -> Exit:
        """Return when everything in the machine has ended."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to the machine's main process. Harmless when it has ended."""
        ...

    def kill(self) -> None:
        """End everything in the machine at once."""
        ...


class Driver(Protocol):
    """A way to run machines."""

    async def launch(self, launch: Launch) -> Instance:
        """Start a machine. Raises LaunchFailed."""
        ...

    async def sweep(self, machine: str) -> None:
        """End whatever still runs of a machine, for instance after this program was killed."""
        ...

    async def remove(self, machine: str) -> None:
        """Remove what a destroyed machine leaves behind, except its log."""
        ...
