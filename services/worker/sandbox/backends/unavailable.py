"""The sandbox of a machine that has none: it says why when it is made, so the task can end so."""

from collections.abc import Sequence

from services.worker.ports import SandboxUnavailable
from services.worker.sandbox.backend import RunningCommand


class UnavailableBackend:
    """A SandboxBackend that cannot be made, for `reason`."""

    name = "unavailable"

    def __init__(self, reason: SandboxUnavailable) -> None:
        self._reason = reason

    async def create(self) -> None:
        """Raise the reason why there is none."""
        raise self._reason

    async def start_command(self, command: Sequence[str], *, is_split: bool) -> RunningCommand:
        """Raise the reason why there is none."""
        del command, is_split
        raise self._reason

    def exceeded_limit(self) -> str:
        """Have no exceeded_limit."""
        return ""

    def take_end_reason(self) -> str:
        """Have no notice."""
        return ""

    async def destroy(self) -> None:
        """Have nothing to remove."""
