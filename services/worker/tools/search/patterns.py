"""Patterns of paths: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any number of directories."""

from __future__ import annotations

import re

from services.worker.tools.search.files import Refused

_MAX_ALTERNATIVES = 1000


def expand_braces(pattern: str) -> list[str]:
    """Return the patterns that `{a,b}` stands for, nested ones too; a brace without `,` is one."""
    done: list[str] = []
    todo = [pattern]
    while todo:
        if len(done) + len(todo) > _MAX_ALTERNATIVES:
            raise Refused(f"The braces of {pattern} stand for too many patterns.")
        text = todo.pop(0)
        braces = _outer_braces(text)
        if braces is None:
            done.append(text)
        else:
            first, last, parts = braces
            todo += [text[:first] + part + text[last + 1 :] for part in parts]
    return done


def _outer_braces(text: str) -> tuple[int, int, list[str]] | None:
    """Return the first pair of braces that has a comma of its own, and its alternatives."""
    for first in (place for place, c in enumerate(text) if c == "{" and not _escaped(text, place)):
        depth, commas = 0, [first]
        for place in range(first, len(text)):
            if _escaped(text, place):
                continue
            depth += (text[place] == "{") - (text[place] == "}")
            if text[place] == "," and depth == 1:
                commas.append(place)
            if depth == 0:
                ends = [*commas[1:], place]
                parts = [text[a + 1 : b] for a, b in zip(commas, ends)]
                if len(parts) > 1:
                    return first, place, parts
                break
    return None


def _escaped(text: str, place: int) -> bool:
    return (place - len(text[:place].rstrip("\\"))) % 2 == 1


def _component(part: str) -> re.Pattern[str]:
    """Return what one part of a path has to look like: as a pattern, or letter by letter."""
    said, place = "", 0
    while place < len(part):
        character = part[place]
        close = part.find("]", place + 2) if character == "[" else -1
        if character == "*":
            said += "[^/]*"
        elif character == "?":
            said += "[^/]"
        elif close > 0:
            inner = part[place + 1 : close]
            is_not = inner[0] in "!^"
            body = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner[1:] if is_not else inner)
            said += f"[^/{body}]" if is_not else f"[{body}]"
            place = close
        elif character == "\\" and place + 1 < len(part):
            place += 1
            said += re.escape(part[place])
        else:
            said += re.escape(character)
        place += 1
    literal = re.escape(part)
    try:
        return re.compile(f"(?:{said}|{literal})\\Z", re.DOTALL)
    except re.error:
        return re.compile(f"{literal}\\Z")


class PathPattern:
    """A pattern of paths: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any number of directories.

    A part in brackets also means the directory of that very name: `app/[slug]/page.tsx`.
    """

    def __init__(self, pattern: str) -> None:
        self._ways = []
        for alternative in expand_braces(pattern):
            parts = [part for part in alternative.split("/") if part not in ("", ".")]
            if parts[-1:] == ["**"]:
                parts.append("*")  # what is inside, and not the directory itself
            self._ways.append([None if part == "**" else _component(part) for part in parts])

    def matches(self, path: str) -> bool:
        """Return whether a relative path fits."""
        parts = path.split("/")
        return any(_fits(way, parts) for way in self._ways)


def _fits(way: list[re.Pattern[str] | None], parts: list[str]) -> bool:
    reached = {0}
    for step in way:
        if step is None:
            reached = set(range(min(reached, default=len(parts) + 1), len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and step.match(parts[at])}
    return len(parts) in reached
