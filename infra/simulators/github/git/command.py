"""Runs git on bare repositories, deaf to every configuration but the one written here."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.git.old_history_checks import tolerant_settings

# In force for every git this forge starts, whatever the repository's own file says.
CONFIGURATION = {
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "http.receivepack": "true",
    "transfer.fsckObjects": "true",
    "receive.fsckObjects": "true",
    **tolerant_settings("receive"),
    "receive.hideRefs": "refs/pull",
    "receive.maxInputSize": "536870912",
    "receive.autogc": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "user.name": "Errand",
    "user.email": "errand@localhost",
}
_PIECE_BYTES = 1 << 16
_MAX_OUTPUT_BYTES = 64 << 20


class GitFailed(Exception):
    """A git command ended badly; the text is what it wrote to its standard error."""


class TooMuch(Exception):
    """A git command wrote more than the caller is willing to hold."""


def environment(path: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make the whole environment of one git process; `path` is where programs are looked for."""
    settings = {
        "PATH": path,
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_CONFIG_COUNT": str(len(CONFIGURATION)),
    }
    for number, (key, value) in enumerate(CONFIGURATION.items()):
        settings[f"GIT_CONFIG_KEY_{number}"] = key
        settings[f"GIT_CONFIG_VALUE_{number}"] = value
    return {**settings, **(extra or {})}


@asynccontextmanager
async def running(
    arguments: tuple[str, ...], variables: Mapping[str, str], *, errors: int | None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program with pipes to it and from it; however this ends, it is not left behind."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        env=variables,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass(frozen=True)
class Git:
    """The git on the search path `path`."""

    path: str

    async def read(
        self,
        repository: Path,
        *arguments: str,
        text: bytes = b"",
        limit_bytes: int = _MAX_OUTPUT_BYTES,
    ) -> bytes:
        """Run one git command on a bare repository, `text` on its input; return its output.

        Raises GitFailed when git says no, TooMuch when the output is larger than `limit_bytes`.
        """
        command = ("git", f"--git-dir={repository}", *arguments)
        return await output(command, environment(self.path), text=text, limit_bytes=limit_bytes)

    async def holds(self, repository: Path, *arguments: str) -> bool:
        """Run a git command that answers by its exit code; return whether it succeeded."""
        try:
            await self.read(repository, *arguments)
        except GitFailed:
            return False
        return True


async def output(
    command: tuple[str, ...],
    variables: Mapping[str, str],
    *,
    text: bytes = b"",
    limit_bytes: int = _MAX_OUTPUT_BYTES,
) -> bytes:
    """Run a git command in this environment, `text` on its input; return its output.

    Raises GitFailed when git says no, TooMuch when the output is larger than `limit_bytes`.
    """
    async with running(command, variables, errors=asyncio.subprocess.PIPE) as process:
        async with asyncio.TaskGroup() as group:
            group.create_task(_write(process, text))
            told = group.create_task(_read(process, process.stdout, limit_bytes))
            complaint = group.create_task(_read(process, process.stderr, limit_bytes))
        if len(told.result()) > limit_bytes:
            raise TooMuch(f"{command[0]} wrote more than {limit_bytes} bytes")
        if await process.wait() != 0:
            raise GitFailed(complaint.result().decode(errors="replace").strip())
        return told.result()


async def _write(process: asyncio.subprocess.Process, text: bytes) -> None:
    pipe = process.stdin
    if pipe is None:
        return
    try:
        pipe.write(text)
        await pipe.drain()
        pipe.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # it ended without reading; its exit code says why


async def _read(
    process: asyncio.subprocess.Process, pipe: asyncio.StreamReader | None, limit_bytes: int
) -> bytes:
    """Read to the end; one who writes more than the limit is stopped just past it."""
    pieces: list[bytes] = []
    size = 0
    while pipe is not None and (piece := await pipe.read(_PIECE_BYTES)):
        pieces.append(piece)
        size += len(piece)
        if size > limit_bytes:
            process.kill()
            break
    return b"".join(pieces)
