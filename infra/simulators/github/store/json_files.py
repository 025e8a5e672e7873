"""Small JSON files that are always whole, whatever happens while they are written."""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def write(path: Path, value: object) -> None:
    """Replace the file at `path` by `value` as JSON; a reader sees the old or the new, whole."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with ExitStack() as unless_replaced:
        unless_replaced.callback(Path(name).unlink, missing_ok=True)
        with os.fdopen(number, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(value)))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        unless_replaced.pop_all()


def read(path: Path, kind: type[T]) -> T | None:
    """Read the file at `path` as a `kind`; None when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
