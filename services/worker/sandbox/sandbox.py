"""The agent's sandbox, over whichever backend there is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from services.worker.ports import (
    BASH,
    FILE_LIMIT_BYTES,
    OUTPUT_LIMIT_BYTES,
    CommandResult,
    NoSuchFile,
    OnOutput,
    SandboxError,
    TransferResult,
)
from services.worker.sandbox.backend import STDOUT, RunningCommand, SandboxBackend
from services.worker.sandbox.capture import Capture
from services.worker.sandbox.command import FLOOD_BYTES, CommandEnd, Input, note_on, run
from services.worker.sandbox.script_runner import ScriptRunner
from services.worker.sandbox.shell import SCRIPT_LIMIT_BYTES, Shell

_FILE_SECONDS: Final = 60.0
_STDERR_BYTES: Final = 16 * 1024
_NO_FILE: Final = 44

# Both answer with a word on stderr that a person understands, and read or write one regular file.
_PLACE: Final = r"""
case $1 in /*) file=$1 ;; *) file=./$1 ;; esac
if [ -d "$file" ]; then echo "$1 is a directory" >&2; exit 1; fi
if [ -L "$file" ] && [ ! -e "$file" ]; then
  echo "$1 is a symbolic link to $(readlink -- "$file"), which is not there" >&2; exit 1
fi
if [ -e "$file" ] && [ ! -f "$file" ]; then echo "$1 is not a regular file" >&2; exit 1; fi
"""
_READ: Final = rf"""{_PLACE}
if [ ! -e "$file" ]; then echo "there is no file $1" >&2; exit {_NO_FILE}; fi
if [ ! -r "$file" ]; then echo "$1 may not be read (see its mode: ls -l)" >&2; exit 1; fi
exec head -c "$2" -- "$file"
"""
_WRITE: Final = rf"""{_PLACE}
if [ -e "$file" ] && [ ! -w "$file" ]; then
  echo "$1 is read-only; chmod it with bash first if it shall change" >&2; exit 1
fi
above=${{file%/*}}
mkdir -p -- "${{above:-/}}" && exec cat > "$file"
"""


class BackendSandbox:
    """Satisfies services.worker.ports.Sandbox and Carrier."""

    def __init__(self, backend: SandboxBackend) -> None:
        self.name = backend.name
        self.written: set[str] = set()
        self._backend = backend
        self._scripts = ScriptRunner(backend)
        self._shell = Shell(backend)

    async def start(self) -> None:
        """Make the sandbox, with an empty /workspace. Raises SandboxUnavailable."""
        await self._backend.create()

    async def execute(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> CommandResult:
        """Run one command in /workspace, by itself; when it ends, all that it began ends."""
        capture = Capture(output_limit_bytes)
        running = await self._backend.start_command(command, is_split=False)
        ran = await run(
            self._backend,
            running,
            stdin=stdin,
            sink=_into(capture, on_output),
            timeout_seconds=timeout_seconds,
        )
        return _completed(ran, capture)

    async def shell(
        self,
        script: str,
        *,
        timeout_seconds: float,
        on_output: OnOutput | None = None,
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> CommandResult:
        """Run a script in the agent's shell (services.worker.sandbox.shell).

        Raises SandboxError for a script of more than 96 KiB.
        """
        if len(script.encode()) > SCRIPT_LIMIT_BYTES:
            raise SandboxError(
                f"the script is longer than {SCRIPT_LIMIT_BYTES} bytes; write it to a file first"
            )
        capture = Capture(output_limit_bytes)
        notice = self._backend.take_end_reason()
        ran = await self._shell.run(
            script, timeout_seconds=timeout_seconds, sink=_into(capture, on_output)
        )
        note = self._backend.take_end_reason() or ran.note
        if notice:
            note = f"Before this call: {notice} {note}".rstrip()
        return _completed(replace(ran, note=note), capture)

    async def transfer(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes | Path = b"",
        output_limit_bytes: int,
    ) -> TransferResult:
        """Run one command whose stdout is wanted byte for byte; `stdin` may be a worker's file.

        One that begins with BASH runs in a bash that waits for it; where that ends before it, it
        runs once more. `is_truncated` means that stdout was longer than the limit and is of no use.
        """
        if isinstance(stdin, bytes) and tuple(command[: len(BASH)]) == BASH:
            script, _, *arguments = command[len(BASH) :]
            waiting = await self._scripts.start(script, arguments, input_bytes=len(stdin))
            ended = await self._transferred(waiting, stdin, timeout_seconds, output_limit_bytes)
            if not waiting.is_lost or ended.note != note_on(ended.exit_code):
                return ended
        running = await self._backend.start_command(command, is_split=True)
        return await self._transferred(running, stdin, timeout_seconds, output_limit_bytes)

    async def _transferred(
        self,
        running: RunningCommand,
        stdin: bytes | Path,
        timeout_seconds: float,
        output_limit_bytes: int,
    ) -> TransferResult:
        stdout, stderr = Capture(output_limit_bytes), Capture(_STDERR_BYTES)

        def sink(stream: int, piece: bytes) -> None:
            (stdout if stream == STDOUT else stderr).add(piece)

        ran = await run(
            self._backend, running, stdin=stdin, sink=sink, timeout_seconds=timeout_seconds
        )
        return TransferResult(
            exit_code=ran.exit_code,
            stdout=stdout.content(),
            stderr=stderr.content().decode(errors="replace"),
            is_truncated=stdout.is_truncated,
            note=ran.note,
        )

    async def stream(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: Input = b"",
        sink: Callable[[bytes], None] | None = None,
        output_limit_bytes: int = 0,
    ) -> TransferResult:
        """Run one command whose input or output is too long for memory; `sink` gets its stdout.

        Without a sink its stdout is thrown away.
        """
        stderr = Capture(_STDERR_BYTES)

        def take(stream: int, piece: bytes) -> None:
            if stream != STDOUT:
                stderr.add(piece)
            elif sink is not None:
                sink(piece)

        running = await self._backend.start_command(command, is_split=True)
        ran = await run(
            self._backend,
            running,
            stdin=stdin,
            sink=take,
            timeout_seconds=timeout_seconds,
            output_bytes=max(output_limit_bytes, FLOOD_BYTES),
        )
        return TransferResult(
            exit_code=ran.exit_code,
            stdout=b"",
            stderr=stderr.content().decode(errors="replace"),
            is_truncated=False,
            note=ran.note,
        )

    async def read(self, path: str, *, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        """Return at most so many first bytes of a file.

        Raises NoSuchFile, and SandboxError when it is no file or may not be read.
        """
        ended = await self._on_file(_READ, path, str(limit_bytes), output_limit_bytes=limit_bytes)
        return ended.stdout

    async def write(self, path: str, content: bytes) -> None:
        """Put a file, making its directories. Raises SandboxError when it cannot be written."""
        await self._on_file(_WRITE, path, stdin=content)
        self.written.add(path)

    async def stop(self) -> None:
        """End everything that runs in the sandbox, and remove it. May be called twice."""
        await self._scripts.end()
        await self._shell.end()
        await self._backend.destroy()

    async def _on_file(
        self, script: str, path: str, *rest: str, stdin: bytes = b"", output_limit_bytes: int = 0
    ) -> TransferResult:
        if "\0" in path or not path:
            raise SandboxError("a path is a name without NUL, absolute or under /workspace")
        ended = await self.transfer(
            (*BASH, script, "bash", path, *rest),
            stdin=stdin,
            timeout_seconds=_FILE_SECONDS,
            output_limit_bytes=max(output_limit_bytes, _STDERR_BYTES),
        )
        if ended.exit_code == _NO_FILE:
            raise NoSuchFile(ended.stderr.strip())
        if ended.exit_code != 0:
            raise SandboxError(ended.stderr.strip() or ended.note or f"cannot reach {path}")
        return ended


def _into(capture: Capture, on_output: OnOutput | None) -> "_Sink":
    return _Sink(capture, on_output)


class _Sink:
    """Hands output to what keeps it and to who listens."""

    def __init__(self, capture: Capture, on_output: OnOutput | None) -> None:
        self._capture = capture
        self._on_output = on_output

    def __call__(self, stream: int, piece: bytes) -> None:
        del stream
        if piece:
            self._capture.add(piece)
            if self._on_output is not None:
                self._on_output(piece)


def _completed(ran: CommandEnd, capture: Capture) -> CommandResult:
    return CommandResult(
        exit_code=ran.exit_code,
        output=capture.content(),
        is_truncated=capture.is_truncated,
        is_timed_out=ran.is_timed_out,
        seconds=ran.seconds,
        note=ran.note,
    )
