"""Registry of the local folder of each repository on the local forge."""

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from clients.cli.errors import CliError

_PRIVATE: Final = 0o700


class RepositoryRegistry:
    """File of paths by owner and name, because the forge's port may change."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, url: str, folder: Path) -> None:
        """Save the folder of a repository. Raises CliError when the file cannot be written."""
        kept = self._read() | {name_of(url): os.fspath(folder)}
        draft = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(kept)))
            draft.replace(self._path)
        except OSError as error:
            raise CliError(
                f"{self._path} cannot be written: {error}",
                "Give a writable directory with --config.",
            ) from None

    def folder(self, url: str) -> Path | None:
        """Return the folder a repository was sent from; None when it is unknown or gone."""
        kept = self._read().get(name_of(url))
        return Path(kept) if kept and Path(kept).is_dir() else None

    def _read(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError):
            return {}


def name_of(url: str) -> str:
    """Return owner and name of a repository's URL."""
    return urlsplit(url).path.strip("/").removesuffix(".git")
