r"""Replacing text in a file the way a model means it: its `\n` is whatever ends the file's lines.

Pure. The bytes that are not replaced stay as they are.
"""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

from services.worker.tools.text.file_text import CR, ENDING, LF, main_ending, split_lines

_MARK: Final = re.compile(r"\[redacted:[\w.-]+\]|\[… line cut; \d+ characters\]")
_NUMBERED: Final = re.compile(r"^\s*\d+\t")
_COMPARED_LINES: Final = 3000
_MAX_SHOWN_LINES: Final = 8
_ALIKE: Final = 0.6
_SHOWN_CHARACTERS: Final = 200
_SHOWN_PLACES: Final = 5


def find(text: str, old: str) -> list[tuple[int, int]]:
    """Return where `old` is, exactly as it is or with the line endings that are there instead."""
    exact = _exact(text, old)
    if exact or LF not in old or CR in old or CR not in text:
        return exact
    parts = (re.escape(part) for part in old.split(LF))
    return [found.span() for found in re.finditer("(?:\r\n|\n|\r)".join(parts), text)]


def line_of(text: str, place: int) -> int:
    """Return the number of the line that a place is in."""
    return text.count(LF, 0, place) + 1


def replace(text: str, spans: list[tuple[int, int]], old: str, new: str) -> str:
    """Put `new` in each span; its line endings follow those that were there."""
    pieces, end = [], 0
    for begin, after in spans:
        pieces += [text[end:begin], _fitted(text, (begin, after), old, new)]
        end = after
    return "".join([*pieces, text[end:]])


def keep_endings(before: str, content: str) -> str:
    """Return a file's new content with the endings of its old: line by line, else most lines'."""
    if CR in content or CR not in before:
        return content
    main = main_ending(before)
    old = _with_endings(before)
    if len({ending for _, ending in old if ending}) <= 1 or len(old) > _COMPARED_LINES:
        return content.replace(LF, main)
    new = split_lines(content)
    endings = [main] * len(new)
    matcher = SequenceMatcher(None, [line for line, _ in old], new, autojunk=False)
    for begin, at, size in matcher.get_matching_blocks():
        for step in range(size):
            endings[at + step] = old[begin + step][1] or main
    whole = "".join(line + ending for line, ending in zip(new, endings, strict=True))
    return whole if content.endswith(LF) or not new else whole[: -len(endings[-1])]


def marks_in(new: str, before: str) -> str:
    """Return a mark for text left out that is in `new` and was not in the file; empty if none."""
    return next((found[0] for found in _MARK.finditer(new) if found[0] not in before), "")


def why_not(text: str, old: str) -> str:
    """Return why `old` is not found, as far as that is known, and what is like it."""
    if all(_NUMBERED.match(line) for line in split_lines(old)):
        return "It begins with line numbers, which `read` adds; leave them out."
    lines = [line.removesuffix(CR) for line in split_lines(text)]
    wanted = [line.removesuffix(CR) for line in split_lines(old)]
    spaced = _place(["".join(line.split()) for line in lines], ["".join(w.split()) for w in wanted])
    if spaced is not None:
        return f"The same words are there with other spaces:\n{_shown(lines, spaced, len(wanted))}"
    near = _nearest(lines, wanted)
    if near is not None:
        return f"The nearest lines are:\n{_shown(lines, near, len(wanted))}"
    return "Nothing in the file is like it. Read the file again and copy the text exactly."


def _exact(text: str, old: str) -> list[tuple[int, int]]:
    spans, place = [], text.find(old)
    while place >= 0:
        spans.append((place, place + len(old)))
        place = text.find(old, place + len(old))
    return spans


def _fitted(text: str, span: tuple[int, int], old: str, new: str) -> str:
    if CR in old or CR in new or CR not in text:
        return new
    there = ENDING.findall(text[slice(*span)])
    default = there[-1] if there else _ending_near(text, span[1])
    endings = iter([*there, *[default] * new.count(LF)])
    return re.sub(LF, lambda _: next(endings), new)


def _ending_near(text: str, place: int) -> str:
    """Return the ending of the line that a place is in; of the file's most lines at its end."""
    found = ENDING.search(text, place)
    return found[0] if found else main_ending(text)


def _with_endings(text: str) -> list[tuple[str, str]]:
    place, lines = 0, []
    for found in ENDING.finditer(text):
        lines.append((text[place : found.start()], found[0]))
        place = found.end()
    return [*lines, (text[place:], "")] if place < len(text) else lines


def _place(lines: list[str], wanted: list[str]) -> int | None:
    """Return where some lines stand in a row, the blank ones at their ends not counted."""
    while wanted and not wanted[0]:
        del wanted[0]
    while wanted and not wanted[-1]:
        del wanted[-1]
    starts = (n for n, line in enumerate(lines) if wanted and line == wanted[0])
    return next((n for n in starts if lines[n : n + len(wanted)] == wanted), None)


def _nearest(lines: list[str], wanted: list[str]) -> int | None:
    """Return the line most like the longest one that is wanted."""
    offset, longest = max(enumerate(wanted), key=lambda each: len(each[1].strip()), default=(0, ""))
    if not longest.strip():
        return None
    if longest in lines:
        return max(0, lines.index(longest) - offset)
    best = max(_likenesses(lines, longest.strip()), default=(0.0, 0))
    return max(0, -best[1] - offset) if best[0] >= _ALIKE else None


def _likenesses(lines: list[str], wanted: str) -> Iterator[tuple[float, int]]:
    matcher = SequenceMatcher(None, b=wanted[:_SHOWN_CHARACTERS], autojunk=False)
    for number, line in enumerate(lines[:_COMPARED_LINES]):
        matcher.set_seq1(line.strip()[:_SHOWN_CHARACTERS])
        if matcher.real_quick_ratio() >= _ALIKE and matcher.quick_ratio() >= _ALIKE:
            yield matcher.ratio(), -number


def _shown(lines: list[str], first: int, count: int) -> str:
    shown = lines[first : first + min(max(count, 1), _MAX_SHOWN_LINES)]
    return "\n".join(
        f"{number}\t{line[:_SHOWN_CHARACTERS]}" for number, line in enumerate(shown, first + 1)
    )


def places_named(text: str, spans: list[tuple[int, int]]) -> str:
    """Name the lines that the first few spans begin in."""
    lines = [str(line_of(text, begin)) for begin, _ in spans[:_SHOWN_PLACES]]
    more = ", …" if len(spans) > _SHOWN_PLACES else ""
    return ", ".join(lines) + more
