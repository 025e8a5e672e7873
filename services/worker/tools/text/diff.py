r"""The unified diff of one file, and its size. A line ends at `\n`; a `\r` before it is shown."""

from difflib import unified_diff
from typing import Final

from services.worker.tools.text.file_text import split_lines

_COMPARED_CHARACTERS: Final = 400_000
_NO_NEWLINE: Final = "\n\\ No newline at end of file"


def difference(path: str, before: str, after: str, *, is_new: bool | None = None) -> str:
    """Return a unified diff with git's prefixes; empty when nothing changed.

    A file is taken for a new one when it was empty, unless `is_new` is given.

    Of a file too long to compare in good time only the header is given.
    """
    if before == after:
        return ""
    was_there = bool(before) if is_new is None else not is_new
    header = f"--- {f'a/{path}' if was_there else '/dev/null'}\n+++ b/{path}\n"
    if len(before) + len(after) > _COMPARED_CHARACTERS:
        return header
    lines = unified_diff(_lines(before), _lines(after), lineterm="", n=3)
    hunks = [line for place, line in enumerate(lines) if place > 1]  # two lines are its header
    return header + "\n".join(hunks) + "\n"


def measure(*pieces: tuple[str, str]) -> str:
    """Return how many lines replacements add and remove, in a few characters."""
    added = removed = 0
    for before, after in pieces:
        old, new = split_lines(before), split_lines(after)
        while old and new and old[0] == new[0]:
            del old[0], new[0]
        while old and new and old[-1] == new[-1]:
            del old[-1], new[-1]
        added, removed = added + len(new), removed + len(old)
    return f"+{added} \N{MINUS SIGN}{removed}"


def _lines(text: str) -> list[str]:
    lines = split_lines(text)
    if lines and not text.endswith("\n"):
        lines[-1] += _NO_NEWLINE
    return lines
