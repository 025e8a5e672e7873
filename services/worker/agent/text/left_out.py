"""Files left out of the work, in words for the model, the pull request and the summary. Pure."""

from collections.abc import Sequence
from typing import Final

from events import LeftOut

_WORDS: Final = {
    "ignored": "git ignores it",
    "build_output": "it looks like build output or dependencies",
    "too_large": "it is too large",
    "submodule": "it is the folder of a submodule",
    "history": "a repository inside the repository: its files are in, its history is not",
    "empty_folder": "git keeps no empty folders",
    "refused": "git could not take it",
}


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """Return one line for each: the path as Markdown code, and the reason."""
    return [
        f"and {each.files} more"
        if each.reason == "more"
        else f"`{each.path.replace('`', chr(39))}`: {_WORDS.get(each.reason, each.reason)}"
        for each in left_out
    ]


def with_left_out(text: str, left_out: Sequence[LeftOut]) -> str:
    """Return a text that names at its end what is left out, if anything is."""
    if not left_out:
        return text
    lines = "\n".join(f"- {line}" for line in left_out_lines(left_out))
    return f"{text.rstrip()}\n\nLeft out of the work:\n{lines}"


def shown_path(path: str) -> str:
    """Return a path with what cannot be seen, line ends above all, as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)
