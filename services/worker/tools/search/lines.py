"""The lines of a file that match a regular expression. Inside the sandbox."""

from __future__ import annotations

import os
import re
import stat
from typing import Iterator  # noqa: UP035 - runs on older Pythons too

from services.worker.tools.search.files import Refused
from services.worker.tools.text.file_text import decode_file, split_lines

_FILE_BYTES = 64 * 1024 * 1024
_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "word": r"\w",
}
_PLAIN_PATTERN = re.compile(r"(?:[^\\$(*+?}]|[*+?}](?!\+)|\((?!\?)|\\[^AZ])*")
_MAX_VAIN_TRIES = 50


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the expression, POSIX classes such as `[[:alpha:]]` understood. Raises Refused."""
    said = re.sub(r"\[:(\w+):\]", lambda found: _CLASSES.get(found[1], found[0]), pattern)
    try:
        return re.compile(said)
    except (re.error, OverflowError, RecursionError) as error:
        raise Refused(
            f"{pattern!r} is not a regular expression (Python's): {error}. To look for the text "
            f"itself write {re.escape(pattern)!r}."
        ) from None


def pattern_hints(pattern: str) -> list[str]:
    """Return why a pattern that matched nothing may mean something else than it should."""
    hints = []
    if "\n" in pattern or re.search(r"(?<!\\)(?:\\\\)*\\n", pattern):
        hints.append(
            "a pattern is held against one line at a time; this one has a line break in it"
        )
    if r"\|" in pattern:
        hints.append(r"`\|` means the character |; alternatives are written a|b")
    return hints


def read_text(place: str, is_named: bool) -> tuple[str, str]:  # noqa: FBT001
    """Return a file's text, or why there is none."""
    try:
        mode = os.stat(place) if is_named else os.lstat(place)
        if stat.S_ISLNK(mode.st_mode):
            return "", "symbolic links"
        if not stat.S_ISREG(mode.st_mode):
            return "", "not regular files"
        if mode.st_size > _FILE_BYTES:
            return "", f"larger than {_FILE_BYTES // 1024**2} MiB"
        with open(place, "rb") as file:
            content = file.read()
    except OSError as error:
        return "", (error.strerror or "unreadable").lower()
    text = decode_file(content)
    return (text.text, "") if text is not None else ("", "binary files")


def matching_lines(
    pattern: re.Pattern[str], text: str
) -> Iterator[tuple[int, str, tuple[int, int]]]:
    """Yield the lines that match: number, text, where in it."""
    place, number = 0, 1
    if _PLAIN_PATTERN.fullmatch(pattern.pattern):
        # Lets the expression run over the whole text, and looks only at lines that it begins in.
        whole, vain = re.compile(pattern.pattern, pattern.flags | re.MULTILINE), 0
        while vain < _MAX_VAIN_TRIES:
            first = whole.search(text, place) if place < len(text) else None
            if first is None:
                return
            begin = text.rfind("\n", 0, first.start()) + 1
            end = text.find("\n", first.start())
            end = len(text) if end < 0 else end
            number += text.count("\n", place, begin)
            span = _match(pattern, text[begin:end])
            if span:
                yield number, text[begin:end], span
            vain += span is None
            place, number = end + 1, number + 1
    for later, line in enumerate(split_lines(text[place:]), number):
        span = _match(pattern, line)
        if span:
            yield later, line, span


def _match(pattern: re.Pattern[str], line: str) -> tuple[int, int] | None:
    bare = line.removesuffix("\r")
    found = pattern.search(bare) or (pattern.search(line) if bare is not line else None)
    return found.span() if found else None


def cut_around(line: str, span: tuple[int, int], most: int) -> str:
    """Cut a long line around its match, and say how much is cut."""
    line = line.removesuffix("\r")
    if len(line) <= most:
        return line
    begin = max(0, min(span[0] - most // 3, len(line) - most))
    before = f"[… {begin} characters] " if begin else ""
    after = f" [… {len(line) - begin - most} characters]" if begin + most < len(line) else ""
    return before + line[begin : begin + most] + after
