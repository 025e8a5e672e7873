"""The repository's own notes for agents."""

import re
from collections.abc import Mapping
from typing import Final

from services.worker.agent.system_prompt import INSTRUCTION_FILE_NAMES
from services.worker.ports import Sandbox

_TIMEOUT_SECONDS: Final = 20.0
_BLOB: Final = re.compile(rb"[0-9a-f]+ blob (\d+)")


class InstructionFiles:
    """Reads the notes once for each commit.

    They are read as the base has them, not as the work has: the same in every attempt, whatever the
    agent does to the files. git runs inside the sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._read: dict[str, Mapping[str, str]] = {}

    async def read(self, commit: str) -> Mapping[str, str]:
        """Return the notes of a commit by file name."""
        if commit not in self._read:
            self._read[commit] = await self._load(commit)
        return self._read[commit]

    async def _load(self, commit: str) -> Mapping[str, str]:
        """Ask git for all of them at once; its answers are those of git-cat-file(1), --batch."""
        wanted = "".join(f"{commit}:{name}\n" for name in INSTRUCTION_FILE_NAMES)
        shown = await self._sandbox.execute(
            ["git", "cat-file", "--batch"], stdin=wanted.encode(), timeout_seconds=_TIMEOUT_SECONDS
        )
        rules: dict[str, str] = {}
        rest = shown.output if shown.exit_code == 0 and not shown.is_truncated else b""
        for name in INSTRUCTION_FILE_NAMES:
            header, _, rest = rest.partition(b"\n")
            found = _BLOB.fullmatch(header)
            if found:
                size = int(found.group(1))
                text, rest = rest[:size].decode(errors="replace").strip(), rest[size + 1 :]
                if text:
                    rules[name] = text
        return rules
