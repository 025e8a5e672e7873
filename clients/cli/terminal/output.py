"""Where text goes: a terminal, where it is wrapped, or a file or pipe, where it never is.

What a terminal's encoding lacks is replaced and never ends the program.
"""

import codecs
import sys
from io import TextIOWrapper
from typing import Final, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.text import Text

_HANDLER: Final = "errand.plain_marks"
_UNFOLDED_COLUMNS: Final = 10_000
_PLAIN_MARKS: Final = {
    "✓": "+", "✔": "*", "✗": "x", "✖": "x", "⚙": "$", "…": "...", "·": "-", "▸": ">", "▶": ">",
    "▲": "^", "⎇": "Y", "▤": "=", "⇧": "^", "⇄": "#", "●": "*", "»": ">", "‖": "=", "▫": "-",
    "⚡": "!", "→": "->", "“": '"', "”": '"',
}  # fmt: skip


class Indented:
    """Text that begins further right. Only a terminal folds its lines; nothing pads them."""

    def __init__(self, text: Text, by: int) -> None:
        self.text = text
        self.by = by

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if console.is_terminal:
            yield Padding(self.text, (0, 0, 0, self.by), expand=False)
            return
        for line in self.text.split(allow_blank=True):
            yield Text(" " * self.by).append_text(line) if line.plain else Text()


def console_of(stream: TextIO | None = None, *, is_error: bool = False) -> Console:
    """Return the console for a stream (stdout or stderr without): it wraps for a terminal alone."""
    shown = Console(file=stream, highlight=False, stderr=is_error)
    if shown.is_terminal:
        return shown
    return Console(
        file=stream, highlight=False, stderr=is_error, soft_wrap=True, width=_UNFOLDED_COLUMNS
    )


def write_what_fits(*streams: object) -> None:
    """Let streams replace what their encoding lacks: a mark by a plain one, the rest by escapes."""
    codecs.register_error(_HANDLER, _replaced)
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def write_bytes(content: bytes) -> None:
    """Write bytes to stdout as they are, whatever its encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def spinner_for(console: Console) -> str:
    """Name the spinner whose marks this console can show."""
    return "dots" if console.encoding.lower().startswith("utf") else "line"


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN_MARKS.get(c) or _escaped(c) for c in lacking), error.end


def _escaped(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode()
