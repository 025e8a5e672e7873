"""Persistent queue of commands that the gateway has not acknowledged yet, in order."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from clients.cli.errors import CliError
from clients.cli.protocol.frame_codec import encode_frame
from events.protocol.frames import MAX_FRAME_BYTES, Cmd

_WAIT_SECONDS: Final = 5.0
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS outbox (
    place   INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway TEXT NOT NULL,
    id      TEXT NOT NULL UNIQUE,
    op      TEXT NOT NULL,
    task    TEXT NOT NULL,
    args    BLOB NOT NULL
)
"""


class Command(NamedTuple):
    """A command of the user. `id` is a UUIDv7, `args` the JSON body; a submit has no `task`."""

    id: str
    op: str
    args: bytes
    task: str = ""

    def frame(self) -> str:
        """Return the frame that sends this command."""
        return encode_frame(Cmd(self.id, self.op, self.task, msgspec.Raw(self.args)))


def command(command_id: str, op: str, args: object, *, task: str = "") -> Command:
    """Return a command with its arguments encoded as JSON."""
    return Command(command_id, op, msgspec.json.encode(args), task)


class Outbox:
    """Queue of commands for one gateway. Several processes may share the file.

    Raises CliError when the file cannot be used.
    """

    def __init__(self, path: Path, gateway: str) -> None:
        self._path = path
        self._gateway = gateway

    def keep(self, kept: Command) -> None:
        """Append a command to the queue; one that is already queued keeps its position.

        Raises CliError when the command is longer than a frame.
        """
        size = len(kept.frame().encode())
        if size > MAX_FRAME_BYTES:
            raise CliError(
                f"This is too long: {size} bytes, and the limit is {MAX_FRAME_BYTES} bytes.",
                "Put long text into a file of the repository and refer to that file.",
            )
        with self._open() as file:
            file.execute(
                "INSERT OR IGNORE INTO outbox (gateway, id, op, task, args) VALUES (?, ?, ?, ?, ?)",
                (self._gateway, kept.id, kept.op, kept.task, kept.args),
            )

    def waiting(self) -> list[Command]:
        """Return the queued commands, oldest first."""
        return list(self._select(-1))

    def first(self) -> Command | None:
        """Return the next command to send; None when the queue is empty."""
        return next(self._select(1), None)

    def remove(self, command_id: str) -> bool:
        """Remove a command. Return whether it was queued."""
        with self._open() as file:
            return file.execute("DELETE FROM outbox WHERE id = ?", (command_id,)).rowcount > 0

    def _select(self, limit: int) -> Iterator[Command]:
        with self._open() as file:
            rows = file.execute(
                "SELECT id, op, args, task FROM outbox WHERE gateway = ? ORDER BY place LIMIT ?",
                (self._gateway, limit),
            ).fetchall()
        return map(Command._make, rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction; it is written through before this returns."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(self._path, timeout=_WAIT_SECONDS)) as file, file:
                file.execute(_TABLE)
                yield file
        except (OSError, sqlite3.Error) as error:
            raise CliError(
                f"The outbox {self._path} cannot be used: {error}",
                "If the file is damaged, move it away; the commands queued in it are then lost.",
            ) from None
