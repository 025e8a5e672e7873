"""Ports of the environment: a repository's files, and streams of bytes of a sandbox."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from services.worker.ports import TransferResult


class ByteStream(Protocol):
    """Transfer of more bytes than memory holds, for packs: every real sandbox has it."""

    async def stream(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes | Path | Iterable[bytes] = b"",
        sink: Callable[[bytes], None] | None = None,
        output_limit_bytes: int = 0,
    ) -> TransferResult:
        """Run one command; `stdin` comes in pieces, and `sink` gets its stdout as it comes."""
        ...


class RepositoryFiles(Protocol):
    """The files that a set-up goes by, and what it leaves behind."""

    async def paths(self, tree: str) -> Mapping[str, str]:
        """Return the files of a tree or commit that was prepared or taken, each with its id."""
        ...

    async def texts(self, commit: str, paths: Sequence[str]) -> Mapping[str, str]:
        """Return the text of files of a commit; one that is missing or no text is left out."""
        ...

    async def finish_set_up(self) -> Sequence[str]:
        """Keep what a set-up did out of the work: put back what it changed, and return its paths.

        What it added is no part of the work, unless the agent writes it or adds it to git.
        """
        ...
