"""The files a unified diff changes, as git writes diffs. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

Change = Literal["added", "deleted", "modified", "renamed", "copied"]

_ESCAPE: Final = re.compile(rb'\\([0-7]{3}|[abfnrtv"\\])')
_LETTERS: Final = dict(zip(b'abfnrtv"\\', b'\a\b\f\n\r\t\v"\\', strict=True))
_CHANGES: Final[Sequence[tuple[str, Change]]] = (
    ("new file mode ", "added"),
    ("deleted file mode ", "deleted"),
    ("rename from ", "renamed"),
    ("copy from ", "copied"),
)
_HUNK: Final = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


class ChangedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a diff, and how many lines were added to it and taken from it.

    `previous_path` is set when a file was renamed or copied. Of binary files no lines are counted.
    """

    path: str
    change: Change
    insertions: int
    deletions: int
    is_binary: bool = False
    previous_path: str = ""


def changed_files(diff: str) -> Iterator[ChangedFile]:
    """Yield the files of a diff in its order. What is no diff changes none."""
    sections = re.split(r"^diff --git ", diff, flags=re.MULTILINE)
    for section in sections[1:]:
        yield _file(section.split("\n"))


def _file(lines: list[str]) -> ChangedFile:
    start = next((n for n, line in enumerate(lines) if line.startswith("@@ ")), len(lines))
    header = lines[1:start]
    previous = _after(header, "rename from ") or _after(header, "copy from ")
    insertions, deletions = _counted(lines[start:])
    return ChangedFile(
        path=_named(header, lines[0]),
        change=_change(header),
        insertions=insertions,
        deletions=deletions,
        is_binary=any(line.startswith(("Binary files ", "GIT binary patch")) for line in header),
        previous_path=_plain(previous),
    )


def _change(header: Sequence[str]) -> Change:
    for line in header:
        for begin, change in _CHANGES:
            if line.startswith(begin):
                return change
    return "modified"


def _named(header: Sequence[str], first: str) -> str:
    moved = _after(header, "rename to ") or _after(header, "copy to ")
    if moved:
        return _plain(moved)
    sides = [_after(header, "+++ "), _after(header, "--- ")]
    for side in sides:
        if side and side != "/dev/null":
            return _plain(side)[2:]
    if first.startswith('"'):  # `a/X b/X`, both the same where nothing else tells the name
        return _plain(first[: first.find('" ') + 1])[2:]
    return first[: (len(first) - 1) // 2][2:]


def _after(header: Sequence[str], begin: str) -> str:
    return next((line.removeprefix(begin) for line in header if line.startswith(begin)), "")


def _counted(lines: list[str]) -> tuple[int, int]:
    """Count by the hunks' own lengths: a line taken away may itself begin with `@@` or `--`."""
    insertions = deletions = old = new = 0
    for line in lines:
        if old <= 0 and new <= 0:
            hunk = _HUNK.match(line)
            if hunk:
                old, new = int(hunk[1] or 1), int(hunk[2] or 1)
            continue
        match line[:1]:
            case "+":
                insertions, new = insertions + 1, new - 1
            case "-":
                deletions, old = deletions + 1, old - 1
            case "\\":
                continue
            case _:
                old, new = old - 1, new - 1
    return insertions, deletions


def _plain(name: str) -> str:
    """Undo git's quoting of what is not plain ASCII, and the tab after a name with spaces."""
    name = name.removesuffix("\t")
    if not (len(name) > 1 and name.startswith('"') and name.endswith('"')):
        return name
    return _ESCAPE.sub(_meant, name[1:-1].encode()).decode(errors="replace")


def _meant(escape: re.Match[bytes]) -> bytes:
    text = escape[1]
    return bytes([int(text, 8) & 0xFF if len(text) == 3 else _LETTERS[text[0]]])  # noqa: PLR2004
