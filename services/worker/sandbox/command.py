"""One command, from its start to its certain end: input, output, deadline, kill."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from services.worker.sandbox.backend import Enclosure, Entered

Sink = Callable[[int, bytes], None]

FLOOD_BYTES: Final = 512 * 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024
_WATCH_SECONDS: Final = 0.5
_KILLED: Final = 137

_OUT_OF_MEMORY: Final = (
    "The command was killed (exit code 137), probably because it ran out of memory."
)


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended."""

    exit_code: int
    is_timed_out: bool
    seconds: float
    note: str


class Overrun(Exception):
    """A command oversteps a limit; the text is for people."""


def note_on(exit_code: int) -> str:
    """Tell what an exit code means where it is not the command's own."""
    return _OUT_OF_MEMORY if exit_code == _KILLED else ""


def pieces_of(content: bytes | Path) -> Iterator[bytes]:
    """Yield bytes, or a file's, in pieces."""
    if isinstance(content, bytes):
        for start in range(0, len(content), _CHUNK_BYTES):
            yield content[start : start + _CHUNK_BYTES]
        return
    with content.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece


async def run(
    enclosure: Enclosure,
    entered: Entered,
    *,
    stdin: bytes | Path,
    sink: Sink,
    timeout_seconds: float,
) -> Ran:
    """Feed a command, hand its output to `sink`, and end it with all it began.

    When this returns or raises (a cancelled call too), nothing of the command runs any more.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    exit_code, is_timed_out, note, is_whole = _KILLED, False, "", False
    try:
        async with asyncio.timeout(timeout_seconds):
            exit_code = await _watched(enclosure, entered, stdin, sink)
            note, is_whole = note_on(exit_code), True
    except TimeoutError:
        is_timed_out = True
        note = f"Ended after {timeout_seconds:g} s, with everything it had started."
    except Overrun as overrun:
        note = str(overrun)
    finally:
        await (entered.close() if is_whole else entered.kill())
    note = enclosure.take_notice() or note
    return Ran(exit_code=exit_code, is_timed_out=is_timed_out, seconds=clock() - began, note=note)


async def _watched(enclosure: Enclosure, entered: Entered, stdin: bytes | Path, sink: Sink) -> int:
    is_over = asyncio.Event()
    exit_code = -1
    overrun: BaseException | None = None  # raised after `except*`: see tests/architecture
    try:
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(_feed(entered, stdin))
            group.create_task(watch(enclosure, is_over))
            async for stream, piece in output_of(entered):
                sink(stream, piece)
            exit_code = await entered.exit_code()
            feeding.cancel()
            is_over.set()
    except* Overrun as overruns:
        overrun = _first(overruns)
    if overrun is not None:
        raise overrun
    return exit_code


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


async def watch(enclosure: Enclosure, until: asyncio.Event) -> None:
    """Raise Overrun as soon as the enclosure complains, until told to end."""
    while not until.is_set():
        complaint = enclosure.complaint()
        if complaint:
            raise Overrun(complaint)
        try:
            async with asyncio.timeout(_WATCH_SECONDS):
                await until.wait()
        except TimeoutError:
            continue


async def output_of(entered: Entered) -> AsyncIterator[tuple[int, bytes]]:
    """Yield a command's output to its end. Raises Overrun when it is a flood."""
    total_bytes = 0
    while (received := await entered.receive()) is not None:
        total_bytes += len(received[1])
        if total_bytes > FLOOD_BYTES:
            raise Overrun(f"Ended: it wrote more than {FLOOD_BYTES // 1024**2} MiB of output.")
        yield received


async def _feed(entered: Entered, content: bytes | Path) -> None:
    for piece in pieces_of(content):
        await entered.send(piece)
    await entered.end_input()
