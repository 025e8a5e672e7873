"""The context that `errand` hands to a command: an environment, a folder and a terminal."""

from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from clients.cli.local_stacks import local_stack


def operator(folder: Path, console: Console | None = None, **environment: str) -> SimpleNamespace:
    """Return the context of a command typed in `folder` with this environment."""
    return SimpleNamespace(
        environment=environment,
        folder=folder,
        stack_here=lambda: local_stack(folder),
        console=console or Console(),
    )
