"""The unified diff of one file, and how large it is."""

from difflib import unified_diff

_COMPARED_CHARACTERS = 400_000


def difference(path: str, before: str, after: str) -> str:
    """Return a unified diff with git's prefixes; empty when nothing changed.

    Of a file too long to compare in good time only the header is given.
    """
    if before == after:
        return ""
    header = f"--- {f'a/{path}' if before else '/dev/null'}\n+++ b/{path}\n"
    if len(before) + len(after) > _COMPARED_CHARACTERS:
        return header
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    hunks = [line for line in lines if not line.startswith(("--- ", "+++ "))]
    return header + "\n".join(hunks) + "\n"


def measure(before: str, after: str) -> str:
    """Say how many lines a replacement adds and takes away, in a few characters."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return f"+{len(new)} \N{MINUS SIGN}{len(old)}"
