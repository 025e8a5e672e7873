"""git inside the sandbox: the base goes in, the tree of the work comes out."""

import re
from pathlib import Path
from typing import Final

from services.worker.ports import Carrier, SandboxUnavailable, Transferred
from services.worker.repository import scripts
from services.worker.repository.limits import WorkspaceLimits
from services.worker.repository.refusals import said, too_large

_TREE_ID: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_MEBIBYTE: Final = 1024 * 1024
_SECONDS: Final = 300.0
_ANSWER_BYTES: Final = 64 * 1024


class Inside:
    """Runs services.worker.repository.scripts. Raises SandboxUnavailable when git fails there."""

    def __init__(self, carrier: Carrier, limits: WorkspaceLimits) -> None:
        self._carrier = carrier
        self._limits = limits

    async def store(self, commit: str, shallow: str, pack: Path) -> None:
        """Put the base's objects into the sandbox, in place of whatever was there."""
        await self._done(scripts.STORE, commit, shallow, stdin=pack)

    async def check_out(self, commit: str, branch: str, *, name: str, email: str) -> None:
        """Fill the empty workspace with the base, under a .git of its own."""
        await self._done(scripts.CHECK_OUT, commit, branch, name, email)

    async def restore(self, tree: str, pack: bytes) -> None:
        """Turn the base's workspace into a snapshot's."""
        await self._done(scripts.RESTORE, tree, stdin=pack)

    async def take_tree(self) -> str | None:
        """Return the id of the work's tree; None when what is kept inside was broken."""
        answer = await self._run(scripts.TAKE_TREE, str(self._limits.file_bytes))
        if answer.exit_code == scripts.DAMAGED:
            return None
        tree = answer.stdout.decode(errors="replace").strip()
        if answer.exit_code != 0 or not _TREE_ID.fullmatch(tree):
            raise _unfit(answer)
        return tree

    async def take_pack(self, tree: str) -> bytes:
        """Return the pack of what the tree adds to the base. Raises WorkspaceRefused: too large."""
        limit_bytes = self._limits.snapshot_bytes
        answer = await self._done(scripts.TAKE_PACK, tree, output_limit_bytes=limit_bytes)
        if answer.is_truncated:
            raise too_large(f"The changes are larger than {limit_bytes // _MEBIBYTE} MiB.")
        return answer.stdout

    async def _done(
        self,
        script: str,
        *arguments: str,
        stdin: bytes | Path = b"",
        output_limit_bytes: int = _ANSWER_BYTES,
    ) -> Transferred:
        answer = await self._run(
            script, *arguments, stdin=stdin, output_limit_bytes=output_limit_bytes
        )
        if answer.exit_code != 0:
            raise _unfit(answer)
        return answer

    async def _run(
        self,
        script: str,
        *arguments: str,
        stdin: bytes | Path = b"",
        output_limit_bytes: int = _ANSWER_BYTES,
    ) -> Transferred:
        return await self._carrier.transfer(
            ("bash", "--noprofile", "--norc", "-c", script, "bash", *arguments),
            stdin=stdin,
            timeout_seconds=_SECONDS,
            output_limit_bytes=output_limit_bytes,
        )


def _unfit(answer: Transferred) -> SandboxUnavailable:
    heard = answer.note or said(answer.stderr)
    return SandboxUnavailable(
        f"git inside the sandbox ended with {answer.exit_code}: {heard}. Its disk or memory may "
        "be full, or its image may lack git; the next attempt begins from the last snapshot."
    )
