"""The state of every machine, on disk: one file a machine, replaced whole."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from infra.machines_api.shapes import Machine


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A machine and what the API does not show: its app, and why it is going."""

    app: str
    machine: Machine
    restarts: int = 0
    is_stop_requested: bool = False
    is_destroy_requested: bool = False
    is_idle: bool = False  # created with skip_launch and not started since


class Store:
    """A directory of machines. A write is there whole or not at all, whatever dies meanwhile."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def save(self, stored: Stored) -> None:
        """Write one machine."""
        path = self._directory / f"{stored.machine.id}.json"
        draft = path.with_suffix(".new")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(stored))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def load(self) -> Iterator[Stored]:
        """Read every machine, oldest first."""
        machines = [
            msgspec.json.decode(path.read_bytes(), type=Stored)
            for path in self._directory.glob("*.json")
        ]
        yield from sorted(machines, key=lambda stored: stored.machine.created_at)

    def forget(self, stored: Stored) -> None:
        """Remove one machine's file."""
        (self._directory / f"{stored.machine.id}.json").unlink(missing_ok=True)
