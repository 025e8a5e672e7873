"""Output to a terminal, where lines are wrapped, or to a file or pipe, where they never are.

Characters that the encoding lacks are replaced and never end the program.
"""

import codecs
import sys
from io import TextIOWrapper
from typing import Final, TextIO

from rich.console import Console

_HANDLER: Final = "errand.plain_marks"
_UNFOLDED_COLUMNS: Final = 10_000
_PLAIN_MARKS: Final = {
    "✓": "+", "✔": "*", "✗": "x", "✖": "x", "⚙": "$", "…": "...", "·": "-", "▸": ">", "▶": ">",
    "▲": "^", "⎇": "Y", "▤": "=", "⇧": "^", "⇄": "#", "●": "*", "»": ">", "‖": "=", "▫": "-",
    "⚡": "!", "→": "->", "“": '"', "”": '"',
}  # fmt: skip


def make_console(stream: TextIO | None = None, *, is_error: bool = False) -> Console:
    """Return the console for a stream (stdout or stderr without): it wraps for a terminal alone."""
    shown = Console(file=stream, highlight=False, stderr=is_error)
    if shown.is_terminal:
        return shown
    return Console(
        file=stream, highlight=False, stderr=is_error, soft_wrap=True, width=_UNFOLDED_COLUMNS
    )


def replace_unencodable(*streams: object) -> None:
    """Make streams replace characters that their encoding lacks by ASCII or escapes."""
    codecs.register_error(_HANDLER, _replaced)
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def write_bytes(content: bytes) -> None:
    """Write bytes to stdout as they are, whatever its encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def spinner_name(console: Console) -> str:
    """Return the name of a spinner that this console can show."""
    return "dots" if console.encoding.lower().startswith("utf") else "line"


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN_MARKS.get(c) or _escaped(c) for c in lacking), error.end


def _escaped(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode()
