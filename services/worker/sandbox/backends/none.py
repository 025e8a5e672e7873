"""No sandbox: commands run as the worker itself. Never chosen unless asked for by name."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.runtime.tree_removal import remove_tree
from services.worker.ports import SandboxUnavailable
from services.worker.sandbox.backend import WORKSPACE, RunningCommand
from services.worker.sandbox.backends.process import start_process

WARNING: Final = (
    "SANDBOX=none: nothing is confined. The commands of the model run as you, with your files, "
    "your network and your credentials. Use it only on a machine that may be thrown away."
)


class NoneBackend:
    """A SandboxBackend in name only: a directory, and the commands' own process groups.

    An argument that names a path under /workspace is turned to the directory; inside a script it is
    `$WORKSPACE`.
    """

    name = "none"

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._box: Path | None = None

    async def create(self) -> None:
        """Make the directory."""
        self._box = Path(tempfile.mkdtemp(prefix="box-", dir=self._scratch))
        for name in ("workspace", "home"):
            (self._box / name).mkdir()

    async def start_command(self, command: Sequence[str], *, is_split: bool) -> RunningCommand:
        """Run a command in the directory."""
        box = self._box
        if box is None:
            raise SandboxUnavailable("The sandbox was stopped; start the task again.")
        workspace = box / "workspace"
        arguments = [
            str(workspace) + argument.removeprefix(WORKSPACE)
            if argument == WORKSPACE or argument.startswith(f"{WORKSPACE}/")
            else argument
            for argument in command
        ]
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "HOME": str(box / "home"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "WORKSPACE": str(workspace),
        }
        try:
            return await start_process(
                arguments, environment=environment, directory=workspace, is_split=is_split
            )
        except OSError as error:
            raise SandboxUnavailable(f"{error}. Install what is missing on this machine.") from None

    def exceeded_limit(self) -> str:
        """Return nothing: nothing is limited."""
        return ""

    def take_end_reason(self) -> str:
        """Return nothing: only commands end each other here."""
        return ""

    async def destroy(self) -> None:
        """Remove the directory. May be called twice."""
        box, self._box = self._box, None
        if box is not None:
            await asyncio.to_thread(remove_tree, box)
