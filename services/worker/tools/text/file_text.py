r"""The text of a file and back, byte for byte: encoding, byte order mark, lines and their endings.

A line ends at `\n` and nowhere else; a `\r` before it is part of the ending. Form feeds, vertical
tabs, NEL and U+2028 are characters of a line. Pure, and on the standard library alone: the search
program (`search.program`) runs it inside the sandbox, on whatever Python 3 is there.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

LF, CRLF, CR = "\n", "\r\n", "\r"
ENDING = re.compile("\r\n|\n|\r")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NAMES = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16, little-endian",
    "utf-16-be": "UTF-16, big-endian",
    "utf-32-le": "UTF-32, little-endian",
    "utf-32-be": "UTF-32, big-endian",
    "latin-1": "not UTF-8; shown as Latin-1",
    "cp1252": "not UTF-8; shown as Windows-1252",
}
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_C1 = re.compile(rb"[\x80-\x9f]")
_ENDING_NAMES = {LF: "LF", CRLF: "CRLF", CR: "CR"}


class FileText(NamedTuple):
    """A file's text, and what makes its bytes of it again: the encoding and the mark before it."""

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""

    def encode(self, text: str) -> bytes:
        """Return the bytes of another text in this file's encoding. Raises UnicodeEncodeError."""
        return self.mark + text.encode(self.encoding)

    @property
    def encoding_name(self) -> str:
        """Name the encoding for people; empty for plain UTF-8."""
        name = _NAMES[self.encoding]
        if self.mark:
            return f"{name}, with a byte order mark"
        return "" if self.encoding == "utf-8" else name


def decode_file(content: bytes, is_cut: bool = False) -> FileText | None:  # noqa: FBT001, FBT002
    """Return the text of a file; None when it is none. Encoding it again gives the same bytes.

    With `is_cut` the content may end in the middle of a character, which is left out.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decoded(content, encoding, mark, is_cut)
    if 0 in content:
        wide = _wide_encoding(content)
        file = _decoded(content, wide, b"", is_cut) if wide else None
        return None if file is None or _CONTROL.search(file.text) else file
    text = _decoded(content, "utf-8", b"", is_cut)
    if text is not None:
        return text
    if _C1.search(content):
        text = _decoded(content, "cp1252", b"", is_cut)
    return text or _decoded(content, "latin-1", b"", is_cut)


def split_lines(text: str) -> list[str]:
    r"""Return the lines without `\n`, a `\r` before it kept; no empty line after the last."""
    lines = text.split("\n")
    if not lines[-1]:
        del lines[-1]
    return lines


def count_endings(text: str) -> dict[str, int]:
    """Count the line endings of each kind that is there: LF, CRLF, and a CR by itself."""
    crlf = text.count(CRLF)
    counts = {LF: text.count(LF) - crlf, CRLF: crlf, CR: text.count(CR) - crlf}
    return {ending: count for ending, count in counts.items() if count}


def main_ending(text: str) -> str:
    r"""Return the ending that most lines have; `\n` where there is none."""
    counts = count_endings(text)
    return max(counts, key=lambda ending: counts[ending]) if counts else LF


def endings_name(text: str) -> str:
    """Name the line endings for people; empty when all are LF."""
    counts = count_endings(text)
    if not set(counts) - {LF}:
        return ""
    if len(counts) == 1:
        return f"line endings {_ENDING_NAMES[next(iter(counts))]}"
    each = ", ".join(f"{count} {_ENDING_NAMES[ending]}" for ending, count in counts.items())
    return f"mixed line endings: {each}"


def _decoded(
    content: bytes,
    encoding: str,
    mark: bytes,
    is_cut: bool,  # noqa: FBT001
) -> FileText | None:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        text = decoder.decode(content[len(mark) :], not is_cut)
    except UnicodeDecodeError:
        return None
    return FileText(text, encoding, mark)


def _wide_encoding(content: bytes) -> str:
    """Return the kind of UTF-16 that text without a mark is likely in; empty when it is none."""
    pairs = len(content) // 2
    even, odd = content[0::2].count(0), content[1::2].count(0)
    if even == 0 and odd * 10 >= pairs * 8:
        return "utf-16-le"
    if odd == 0 and even * 10 >= pairs * 8:
        return "utf-16-be"
    return ""
