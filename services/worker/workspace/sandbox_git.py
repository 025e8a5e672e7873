"""git inside the sandbox: the base goes in, the tree of the work comes out."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from events import LeftOut
from services.worker.ports import BASH, ByteTransfer, SandboxUnavailable, TransferResult
from services.worker.workspace import scripts, set_up_scripts
from services.worker.workspace.git_errors import git_message, malformed, too_large
from services.worker.workspace.left_out_report import parse_report
from services.worker.workspace.limits import WorkspaceLimits

_TREE_ID: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_MEBIBYTE: Final = 1024 * 1024
_SECONDS: Final = 300.0
_ANSWER_BYTES: Final = 64 * 1024
_REPORT_BYTES: Final = 1024 * 1024
_LENGTH: Final = re.compile(rb" *(\d{1,7})\n")
_SAME: Final = b"=\n"
_MALFORMED: Final = 65
_NO_ROOM: Final = re.compile(
    r"no space left|quota exceeded|cannot allocate|out of memory", re.IGNORECASE
)


class DamagedRepository(SandboxUnavailable):
    """The repository inside is broken, or there is no room for git to work."""


class Committer(NamedTuple):
    """The author of the commits inside, and their branch."""

    branch: str
    name: str
    email: str


class Work(NamedTuple):
    """The work's tree, the pack of what the base does not hold, and what is left out.

    `state` is that of the files: as long as it is the same, so is all of this.
    """

    tree: str
    pack: bytes
    left_out: tuple[LeftOut, ...] = ()
    state: str = ""


class SandboxGit:
    """Runs services.worker.workspace.scripts. Raises SandboxUnavailable when git fails there."""

    def __init__(self, carrier: ByteTransfer, limits: WorkspaceLimits) -> None:
        self._carrier = carrier
        self._limits = limits

    async def store(self, commit: str, shallow: str, pack: Path) -> None:
        """Put the base's objects into the sandbox, in place of whatever was there."""
        await self._done(scripts.STORE, commit, shallow, stdin=pack)

    async def check_out(self, commit: str, shallow: str, pack: Path, agent: Committer) -> None:
        """Put the base's objects in, and fill the empty workspace with it, under its own .git.

        Raises WorkspaceRefused when git can make no files of it.
        """
        arguments = (commit, shallow, agent.branch, agent.name, agent.email)
        answer = await self._run(scripts.CHECK_OUT, *arguments, stdin=pack)
        if answer.exit_code == _MALFORMED and not _NO_ROOM.search(answer.stderr):
            raise malformed(git_message(answer.stderr))
        if answer.exit_code != 0:
            raise _unfit(answer)

    async def restore(self, tree: str, pack: bytes) -> None:
        """Turn the base's workspace into a snapshot's."""
        await self._done(scripts.RESTORE, tree, stdin=pack)

    async def take_work(self, last: Work, base: str, written: Iterable[str]) -> Work:
        """Take the work: its tree, and if that is not the last one, what it adds to the base tree.

        Where nothing was touched it is the last one, and soon known. `written` are paths to take
        also where git ignores them. Raises DamagedRepository when git cannot work inside,
        WorkspaceRefused: too large.
        """
        limit_bytes = self._limits.snapshot_bytes
        answer = await self._run(
            *(scripts.TAKE, str(self._limits.file_bytes), last.tree, base, last.state),
            stdin=b"".join(os.fsencode(path) + b"\0" for path in sorted(written)),
            output_limit_bytes=limit_bytes + _REPORT_BYTES,
        )
        if answer.is_truncated:
            raise too_large(f"The changes are larger than {limit_bytes // _MEBIBYTE} MiB.")
        if answer.exit_code == 0 and answer.stdout == _SAME:
            return last
        named, _, rest = answer.stdout.partition(b"\n")
        tree, _, state = named.decode(errors="replace").partition(" ")
        if answer.exit_code != 0 or not _TREE_ID.fullmatch(tree):
            raise _unfit(answer, DamagedRepository)
        header = _LENGTH.match(rest)
        start = header.end() if header else 0
        length = int(header[1]) if header else 0
        report = rest[start : start + length]
        pack = last.pack if tree == last.tree else rest[start + length :]
        return Work(tree, pack, parse_report(report), state)

    async def finish_set_up(self) -> tuple[str, ...]:
        """Put back what a set-up changed in tracked files; return the first of their paths."""
        answer = await self._done(set_up_scripts.FINISH)
        return tuple(os.fsdecode(path) for path in answer.stdout.split(b"\0") if path)

    async def _done(
        self,
        script: str,
        *arguments: str,
        stdin: bytes | Path = b"",
        output_limit_bytes: int = _ANSWER_BYTES,
    ) -> TransferResult:
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
    ) -> TransferResult:
        return await self._carrier.transfer(
            (*BASH, script, "bash", *arguments),
            stdin=stdin,
            timeout_seconds=_SECONDS,
            output_limit_bytes=output_limit_bytes,
        )


def _unfit(
    answer: TransferResult, kind: type[SandboxUnavailable] = SandboxUnavailable
) -> SandboxUnavailable:
    heard = answer.note or git_message(answer.stderr)
    return kind(
        f"git inside the sandbox ended with {answer.exit_code}: {heard}. Its disk or memory may "
        "be full, or its image may lack git; the next attempt begins from the last snapshot."
    )
