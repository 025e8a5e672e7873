"""The repository's own notes for agents."""

from collections.abc import Mapping
from typing import Final

from services.worker.ports import Sandbox
from services.worker.prompt import RULE_FILES

_TIMEOUT_SECONDS: Final = 20.0


class Rules:
    """Reads the notes once for each commit.

    They are read as the base has them, not as the work has: the same in every attempt, whatever the
    agent does to the files. git runs inside the sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._read: dict[str, Mapping[str, str]] = {}

    async def of(self, commit: str) -> Mapping[str, str]:
        """Return the notes of a commit by file name."""
        if commit not in self._read:
            self._read[commit] = await self._load(commit)
        return self._read[commit]

    async def _load(self, commit: str) -> Mapping[str, str]:
        rules: dict[str, str] = {}
        for name in RULE_FILES:
            shown = await self._sandbox.execute(
                ["git", "--no-pager", "show", f"{commit}:{name}"], timeout_seconds=_TIMEOUT_SECONDS
            )
            text = shown.output.decode(errors="replace").strip()
            if shown.exit_code == 0 and text:
                rules[name] = text
        return rules
