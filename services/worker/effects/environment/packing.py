"""Packs of what a set-up added: a tar of the sandbox, compressed by the worker (RFC 8878).

The worker never opens the tar: it is made in a sandbox and opened in one, by the agent's user.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import zstandard

from services.worker.effects.environment.ports import ByteStream
from services.worker.ports import BASH
from services.worker.workspace import set_up_scripts

MAX_TAR_BYTES: Final = 8 * 1024 * 1024 * 1024

_LEVEL: Final = 1
_CHUNK_BYTES: Final = 1024 * 1024
_SECONDS: Final = 600.0


class PackingFailed(Exception):
    """The tar could not be made or opened; the text says why."""


async def pack_added(sandbox: ByteStream, paths: Sequence[str], file: Path) -> None:
    """Write a pack of what set-up added, or of these paths, to a file. Raises PackingFailed."""
    with file.open("wb") as packed, zstandard.ZstdCompressor(_LEVEL).stream_writer(packed) as pack:

        def write(piece: bytes) -> None:
            pack.write(piece)

        await _run(
            sandbox, set_up_scripts.PACK, *paths, sink=write, output_limit_bytes=MAX_TAR_BYTES
        )


async def unpack(sandbox: ByteStream, file: Path) -> None:
    """Put back what a pack holds. Raises PackingFailed; something may be put back by then."""
    await _run(sandbox, set_up_scripts.UNPACK, stdin=_pieces(file))


async def clear_added(sandbox: ByteStream) -> None:
    """Remove all that was added to the workspace and the home directory. Raises PackingFailed."""
    await _run(sandbox, set_up_scripts.CLEAR)


def _pieces(file: Path) -> Iterator[bytes]:
    """Yield the tar of a pack; a damaged one ends early, and tar says so."""
    with (
        contextlib.suppress(zstandard.ZstdError),
        file.open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as pack,
    ):
        while piece := pack.read(_CHUNK_BYTES):
            yield piece


async def _run(sandbox: ByteStream, script: str, *arguments: str, **options: object) -> None:
    command = (*BASH, script, "bash", *arguments)
    ended = await sandbox.stream(command, timeout_seconds=_SECONDS, **options)  # type: ignore[arg-type]
    if ended.exit_code != 0:
        raise PackingFailed(ended.note or ended.stderr.strip()[:1000] or f"{ended.exit_code}")
