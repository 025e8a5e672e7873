"""Programs installed in a sandbox, as the system prompt names them. Pure."""

from collections.abc import Iterable
from textwrap import fill
from typing import Final

import msgspec

_LINE_CHARACTERS: Final = 100
_LANGUAGES: Final = {
    "python3": "Python",
    "node": "Node.js",
    "go": "Go",
    "rustc": "Rust",
    "java": "Java",
}


class Program(msgspec.Struct, frozen=True):
    """A program on PATH, and its version where that was asked for."""

    name: str
    version: str = ""


def installed_lines(programs: Iterable[Program]) -> str:
    """Return the lines of the system prompt that say what is installed; empty if not known."""
    versions = {each.name: each.version for each in programs}
    if not versions:
        return ""
    languages = [
        f"{title} {versions[name]}".rstrip()
        for name, title in _LANGUAGES.items()
        if name in versions
    ]
    python = "python" + ".".join(versions.get("python3", "").split(".")[:2])
    others = [name for name in versions if name not in (*_LANGUAGES, python)]
    lines = [f"Installed: {', '.join([*languages, *others])}."]
    missing = [title for name, title in _LANGUAGES.items() if name not in versions]
    if missing:
        lines.append(f"Not installed: {', '.join(missing)}.")
    return "\n".join(_item(line) for line in lines)


def _item(line: str) -> str:
    return fill(
        line,
        _LINE_CHARACTERS,
        initial_indent="- ",
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )
