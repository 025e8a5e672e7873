"""What a push asks for, read from its first bytes: git's receive-pack request. Pure.

Specification: gitprotocol-pack(5), "Reference Update Request": pkt-lines of four hexadecimal
digits of length (themselves included) and content; `shallow <id>` lines, then `<old> <new> <ref>`
commands, the first with capabilities after a NUL; a flush (`0000`) ends them.
"""

import re
from typing import Final, NamedTuple

LONGEST: Final = 64 * 1024
_LENGTH: Final = re.compile(rb"[0-9a-fA-F]{4}")
_SHALLOW: Final = re.compile(rb"shallow [0-9a-f]{40,64}\n?")
_COMMAND: Final = re.compile(rb"([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ([^\0\n]+)(?:\0[^\n]*)?\n?")
_PREFIX: Final = 4


class PushRefused(Exception):
    """The push asks for what this worker may not do; the text says what."""


class Update(NamedTuple):
    """A ref is to move from `old` to `new`; an id of zeros means none."""

    ref: str
    old: str
    new: str


class Commands(NamedTuple):
    """The commands of a push, or (`is_complete` False) too few bytes yet to know them all.

    `size_bytes` is where they end and the pack begins.
    """

    is_complete: bool
    updates: tuple[Update, ...] = ()
    capabilities: frozenset[str] = frozenset()
    size_bytes: int = 0


def read_commands(start: bytes) -> Commands:
    """Read the commands from the start of a request. Raises PushRefused when it is no push."""
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
    if len(start) > LONGEST:
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
    """Allow one update of one branch (or none, as git asks whether it may push at all).

    Raises PushRefused for anything else, and for options, which could make the forge do more.
    """
    if "push-options" in commands.capabilities:
        raise PushRefused("a push may have no options")
    check(commands.updates, branch=branch)
    if len(commands.updates) > 1:
        raise PushRefused("one push may move its branch once")


def check(updates: tuple[Update, ...], *, branch: str) -> None:
    """Allow updates of one branch. Raises PushRefused for any other ref, and for its deletion."""
    allowed = f"refs/heads/{branch}"
    for update in updates:
        if update.ref != allowed:
            raise PushRefused(f"only {allowed} may be pushed, not {update.ref[:200]}")
        if not update.new.strip("0"):
            raise PushRefused(f"{allowed} may not be deleted")
