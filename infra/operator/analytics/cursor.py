"""Cursor of a consumer: the last sequence it handled, in a file that is replaced whole."""

import os
from datetime import datetime
from pathlib import Path

import msgspec


class Cursor(msgspec.Struct, frozen=True):
    """The sequence of the last event dealt with, and when its log was created.

    Sequences start from 1 in a log that was created again: a cursor of the old one means nothing.
    """

    sequence: int
    created: datetime


class CursorFile:
    """Keeps one cursor. Whoever reads it, even after a crash, sees the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Cursor | None:
        """Read the cursor; None when none was kept. Raises ValueError when the file is damaged."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Cursor)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise ValueError(
                f"{self.path} holds no cursor ({error}). Say where to begin, or delete it to begin "
                "at the log's first event."
            ) from None

    def keep(self, cursor: Cursor) -> None:
        """Keep a cursor, on the disk before this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.new")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(cursor))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
