"""Programs installed in the sandbox: asked of it once, by one command, while it gets its tree."""

import re
from typing import Final

from services.worker.agent.text.installed_programs import Program
from services.worker.ports import Sandbox, SandboxError

_SECONDS: Final = 10.0
_OUTPUT_BYTES: Final = 16 * 1024
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")
_NAME: Final = re.compile(r"[a-z0-9.+-]{1,20}")

# Java takes long to start, so its version is read from the file beside it.
_LOOK: Final = r"""
for name in python3 node rustc; do
  command -v $name >/dev/null && echo "$name $($name --version 2>/dev/null | head -n 1)"
done
command -v go >/dev/null && echo "go $(go version 2>/dev/null)"
if java=$(command -v java); then
  java=$(readlink -f "$java")
  echo "java $(grep -s '^JAVA_VERSION=' "${java%/bin/java}/release")"
fi
for name in python3.8 python3.9 python3.10 python3.11 python3.12 python3.13 python3.14 \
  pip uv npm pnpm yarn cargo mvn gradle make cmake gcc rg jq curl sqlite3 psql redis-server; do
  command -v $name >/dev/null && echo "$name"
done
true
"""


class InstalledPrograms:
    """The programs of one sandbox; none before it was asked."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.programs: tuple[Program, ...] = ()

    async def look(self) -> None:
        """Ask the sandbox, once. Raises SandboxUnavailable."""
        if self.programs:
            return
        try:
            ended = await self._sandbox.execute(
                ("bash", "-c", _LOOK), timeout_seconds=_SECONDS, output_limit_bytes=_OUTPUT_BYTES
            )
        except SandboxError:
            return
        lines = ended.output.decode(errors="replace").splitlines()
        self.programs = tuple(program for line in lines if (program := _program(line)))


def _program(line: str) -> Program | None:
    """Return what a line names: whatever is called so in an image may have written it."""
    name, _, said = line.partition(" ")
    version = _VERSION.search(said)
    return Program(name, version[0] if version else "") if _NAME.fullmatch(name) else None
