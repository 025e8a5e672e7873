"""Reports of what the gateway waits for at a server before it can serve."""

from collections.abc import Callable
from typing import Final

Report = Callable[[str, str], None]
"""Called with the name of a server and what is waited for there; `OK` when it answers."""

OK: Final = "ok"


def ignore_report(_part: str, _reason: str) -> None:
    """Drop a report, where nobody asks for readiness meanwhile."""
