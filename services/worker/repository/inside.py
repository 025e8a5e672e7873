"""git inside the sandbox: the base goes in, the tree of the work comes out."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from services.worker.ports import Carrier, SandboxUnavailable, Transferred
from services.worker.repository import scripts
from services.worker.repository.limits import WorkspaceLimits
from services.worker.repository.refusals import said, too_large

_TREE_ID: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_MEBIBYTE: Final = 1024 * 1024
_SECONDS: Final = 300.0
_ANSWER_BYTES: Final = 64 * 1024
_HEADER_BYTES: Final = 128


class Damaged(SandboxUnavailable):
    """What is kept inside for git is broken, or there is no room for git to work."""


class Agent(NamedTuple):
    """Who commits inside, and on which branch."""

    branch: str
    name: str
    email: str


class Inside:
    """Runs services.worker.repository.scripts. Raises SandboxUnavailable when git fails there."""

    def __init__(self, carrier: Carrier, limits: WorkspaceLimits) -> None:
        self._carrier = carrier
        self._limits = limits

    async def store(self, commit: str, shallow: str, pack: Path) -> None:
        """Put the base's objects into the sandbox, in place of whatever was there."""
        await self._done(scripts.STORE, commit, shallow, stdin=pack)

    async def check_out(self, commit: str, shallow: str, pack: Path, agent: Agent) -> None:
        """Put the base's objects in, and fill the empty workspace with it, under its own .git."""
        arguments = (commit, shallow, agent.branch, agent.name, agent.email)
        await self._done(scripts.CHECK_OUT, *arguments, stdin=pack)

    async def restore(self, tree: str, pack: bytes) -> None:
        """Turn the base's workspace into a snapshot's."""
        await self._done(scripts.RESTORE, tree, stdin=pack)

    async def take(self, last: str, base: str) -> tuple[str, bytes]:
        """Return the id of the work's tree and, if it is not `last`, what it adds to the base tree.

        Raises Damaged when git cannot work inside, WorkspaceRefused: too large.
        """
        limit_bytes = self._limits.snapshot_bytes
        answer = await self._run(
            *(scripts.TAKE, str(self._limits.file_bytes), last, base),
            output_limit_bytes=limit_bytes + _HEADER_BYTES,
        )
        if answer.is_truncated:
            raise too_large(f"The changes are larger than {limit_bytes // _MEBIBYTE} MiB.")
        named, _, pack = answer.stdout.partition(b"\n")
        tree = named.decode(errors="replace")
        if answer.exit_code != 0 or not _TREE_ID.fullmatch(tree):
            raise _unfit(answer, Damaged)
        return tree, pack

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


def _unfit(
    answer: Transferred, kind: type[SandboxUnavailable] = SandboxUnavailable
) -> SandboxUnavailable:
    heard = answer.note or said(answer.stderr)
    return kind(
        f"git inside the sandbox ended with {answer.exit_code}: {heard}. Its disk or memory may "
        "be full, or its image may lack git; the next attempt begins from the last snapshot."
    )
