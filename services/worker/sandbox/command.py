"""One command, from its start to its certain end: input, output, deadline, kill."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from services.worker.sandbox.backend import RunningCommand, SandboxBackend

Sink = Callable[[int, bytes], None]
Input = bytes | Path | Iterable[bytes]
"""Input of a command: bytes, a file of the worker's, or pieces of bytes."""

FLOOD_BYTES: Final = 512 * 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024
_WATCH_SECONDS: Final = 0.5
_KILLED: Final = 137

_OUT_OF_MEMORY: Final = (
    "The command was killed (exit code 137), probably because it ran out of memory."
)


class CommandEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a command."""

    exit_code: int
    is_timed_out: bool
    seconds: float
    note: str


class LimitExceeded(Exception):
    """A command oversteps a limit; the text is for people."""


def note_on(exit_code: int) -> str:
    """Return what an exit code means where it is not the command's own; else nothing."""
    return _OUT_OF_MEMORY if exit_code == _KILLED else ""


def pieces_of(content: Input) -> Iterator[bytes]:
    """Yield bytes, or a file's, in pieces; what is in pieces already, as it is."""
    if isinstance(content, bytes):
        for start in range(0, len(content), _CHUNK_BYTES):
            yield content[start : start + _CHUNK_BYTES]
        return
    if not isinstance(content, Path):
        yield from content
        return
    with content.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece


async def run(
    backend: SandboxBackend,
    running: RunningCommand,
    *,
    stdin: Input,
    sink: Sink,
    timeout_seconds: float,
    output_bytes: int = FLOOD_BYTES,
) -> CommandEnd:
    """Feed a command, hand its output to `sink`, and end it with all it began.

    One that writes more than `output_bytes` is ended. When this returns or raises (a cancelled call
    too), nothing of the command runs any more.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    exit_code, is_timed_out, note, is_whole = _KILLED, False, "", False
    try:
        async with asyncio.timeout(timeout_seconds):
            exit_code = await _watched(backend, running, stdin, _Output(sink, output_bytes))
            note, is_whole = note_on(exit_code), True
    except TimeoutError:
        is_timed_out = True
        note = f"Ended after {timeout_seconds:g} s, with everything it had started."
    except LimitExceeded as overrun:
        note = str(overrun)
    finally:
        await (running.close() if is_whole else running.kill())
    note = backend.take_end_reason() or note
    return CommandEnd(
        exit_code=exit_code, is_timed_out=is_timed_out, seconds=clock() - began, note=note
    )


class _Output(NamedTuple):
    """Sink of a command's output, and how much of it there may be."""

    sink: Sink
    limit_bytes: int


async def _watched(
    backend: SandboxBackend, running: RunningCommand, stdin: Input, output: _Output
) -> int:
    is_over = asyncio.Event()
    exit_code = -1
    overrun: BaseException | None = None  # raised after `except*`: see tests/architecture
    try:
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(_feed(running, stdin))
            group.create_task(watch(backend, is_over))
            async for stream, piece in output_of(running, output.limit_bytes):
                output.sink(stream, piece)
            exit_code = await running.exit_code()
            feeding.cancel()
            is_over.set()
    except* LimitExceeded as overruns:
        overrun = _first(overruns)
    if overrun is not None:
        raise overrun
    return exit_code


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


async def watch(backend: SandboxBackend, until: asyncio.Event) -> None:
    """Raise LimitExceeded as soon as the backend complains, until told to end."""
    while not until.is_set():
        exceeded_limit = backend.exceeded_limit()
        if exceeded_limit:
            raise LimitExceeded(exceeded_limit)
        try:
            async with asyncio.timeout(_WATCH_SECONDS):
                await until.wait()
        except TimeoutError:
            continue


async def output_of(
    running: RunningCommand, limit_bytes: int = FLOOD_BYTES
) -> AsyncIterator[tuple[int, bytes]]:
    """Yield a command's output to its end. Raises LimitExceeded when it is a flood."""
    total_bytes = 0
    while (received := await running.receive()) is not None:
        total_bytes += len(received[1])
        if total_bytes > limit_bytes:
            raise LimitExceeded(
                f"Ended: it wrote more than {limit_bytes // 1024**2} MiB of output."
            )
        yield received


async def _feed(running: RunningCommand, content: Input) -> None:
    for piece in pieces_of(content):
        await running.send(piece)
    await running.end_input()
