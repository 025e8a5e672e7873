"""Parser of git's receive-pack request: the commands at the start of a push. Pure.

Specification: gitprotocol-pack(5), "Reference Update Request": pkt-lines of four hexadecimal
digits of length (themselves included) and content; `shallow <id>` lines, then `<old> <new> <ref>`
commands, the first with capabilities after a NUL; a flush (`0000`) ends them.
"""

import re
from typing import Final, NamedTuple

MAX_COMMANDS_BYTES: Final = 64 * 1024
_LENGTH: Final = re.compile(rb"[0-9a-fA-F]{4}")
_SHALLOW: Final = re.compile(rb"shallow [0-9a-f]{40,64}\n?")
_COMMAND: Final = re.compile(rb"([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ([^\0\n]+)(?:\0[^\n]*)?\n?")
_PREFIX: Final = 4


class PushRefused(Exception):
    """The push is not permitted; the text says why."""


class Update(NamedTuple):
    """Update of a ref from `old` to `new`; an id of zeros means none."""

    ref: str
    old: str
    new: str


class Commands(NamedTuple):
    """The commands of a push; with `is_complete` False more bytes are needed.

    `size_bytes` is the offset at which the pack begins.
    """

    is_complete: bool
    updates: tuple[Update, ...] = ()
    capabilities: frozenset[str] = frozenset()
    size_bytes: int = 0


def read_commands(start: bytes) -> Commands:
    """Parse the commands at the start of a request. Raises PushRefused when it is no push."""
    updates: list[Update] = []
    capabilities: frozenset[str] = frozenset()
    position = 0
    while position + _PREFIX <= len(start):
        digits = start[position : position + _PREFIX]
        if not _LENGTH.fullmatch(digits):
            raise PushRefused("this is not a push in git's protocol")
        length = int(digits, 16)
        if length == 0:
            end = position + _PREFIX
            return Commands(
                is_complete=True,
                updates=tuple(updates),
                capabilities=capabilities,
                size_bytes=end,
            )
        if length <= _PREFIX:
            raise PushRefused("this is not a push in git's protocol")
        if position + length > len(start):
            break
        line = start[position + _PREFIX : position + length]
        if not _SHALLOW.fullmatch(line):
            updates.append(_update(line))
            capabilities = capabilities or _capabilities(line)
        position += length
    if len(start) > MAX_COMMANDS_BYTES:
        raise PushRefused("a push may have 64 KiB of commands at most")
    return Commands(is_complete=False)


def _update(line: bytes) -> Update:
    command = _COMMAND.fullmatch(line)
    if command is None:
        raise PushRefused("a push may have ref updates only, unsigned")
    old, new, ref = (part.decode(errors="replace") for part in command.groups())
    return Update(ref, old, new)


def _capabilities(line: bytes) -> frozenset[str]:
    return frozenset(line.partition(b"\0")[2].decode(errors="replace").split())


def check_commands(commands: Commands, *, branch: str) -> None:
    """Check for at most one update, of one branch (git probes with none).

    Raises PushRefused otherwise, and for push options, which could make the forge do more.
    """
    if "push-options" in commands.capabilities:
        raise PushRefused("a push may have no options")
    check(commands.updates, branch=branch)
    if len(commands.updates) > 1:
        raise PushRefused("one push may move its branch once")


def check(updates: tuple[Update, ...], *, branch: str) -> None:
    """Check that an update is of this branch. Raises PushRefused for other refs and deletions."""
    allowed = f"refs/heads/{branch}"
    for update in updates:
        if update.ref != allowed:
            raise PushRefused(f"only {allowed} may be pushed, not {update.ref[:200]}")
        if not update.new.strip("0"):
            raise PushRefused(f"{allowed} may not be deleted")
