"""A sandbox that is a dictionary of files, and a shell that knows the scripts it is given."""

import asyncio
from collections.abc import Callable, Sequence

from services.worker.ports import CommandResult, NoSuchFile, SandboxUnavailable

Script = Callable[["FakeSandbox"], CommandResult]


def printed(text: str, exit_code: int = 0) -> Script:
    """A script that prints and ends."""
    return lambda _: CommandResult(exit_code=exit_code, output=text.encode())


class FakeSandbox:
    """`scripts` maps what `shell` or `execute` (joined by spaces) is given to what it does.

    A script named in `endless` runs until it is cancelled; `running` is set when it has begun.
    """

    name = "fake"

    def __init__(self, files: dict[str, str] | None = None) -> None:
        self.files: dict[str, bytes] = {p: t.encode() for p, t in (files or {}).items()}
        self.scripts: dict[str, Script] = {}
        self.endless: set[str] = set()
        self.running = asyncio.Event()
        self.ran: list[str] = []
        self.was_stopped: list[str] = []
        self.started = 0
        self.trouble: SandboxUnavailable | None = None

    async def start(self) -> None:
        if self.trouble:
            raise self.trouble
        self.started += 1

    async def execute(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        on_output: Callable[[bytes], None] | None = None,
        output_limit_bytes: int = 0,
    ) -> CommandResult:
        return await self._run(" ".join(command), on_output)

    async def shell(
        self,
        script: str,
        *,
        timeout_seconds: float,
        on_output: Callable[[bytes], None] | None = None,
        output_limit_bytes: int = 0,
    ) -> CommandResult:
        return await self._run(script, on_output)

    async def read(self, path: str, *, limit_bytes: int = 1 << 22) -> bytes:
        self._check()
        if path not in self.files:
            raise NoSuchFile(f"{path}: no such file")
        return self.files[path][:limit_bytes]

    async def write(self, path: str, content: bytes) -> None:
        self._check()
        self.files[path] = content

    async def stop(self) -> None:
        self.started = 0

    async def _run(self, script: str, on_output: Callable[[bytes], None] | None) -> CommandResult:
        self._check()
        self.ran.append(script)
        if script in self.endless:
            self.running.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.was_stopped.append(script)
        known = self.scripts.get(script, printed("", 128 if script.startswith("git") else 0))
        completed = known(self)
        if on_output and completed.output:
            on_output(completed.output)
        return completed

    def _check(self) -> None:
        if self.trouble:
            raise self.trouble
