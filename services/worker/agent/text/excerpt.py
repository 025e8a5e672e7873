"""Excerpt of a long output, for the model: its head and its tail. Pure."""

from typing import Final

LIMIT_BYTES: Final = 30 * 1024
_HEAD_BYTES: Final = 10 * 1024
_NOTE_BYTES: Final = 100


def excerpt(text: str, limit_bytes: int = LIMIT_BYTES) -> tuple[str, bool]:
    """Return a text that fits the limit (in UTF-8), and whether something had to be left out.

    Cuts at line ends where there are any near the cut.
    """
    content = text.encode(errors="replace")
    if len(content) <= limit_bytes:
        return content.decode(), False
    head_bytes = min(_HEAD_BYTES, limit_bytes // 3)
    tail_bytes = limit_bytes - head_bytes - _NOTE_BYTES
    head = content[:head_bytes].decode(errors="ignore")
    tail = content[-tail_bytes:].decode(errors="ignore")
    if "\n" in head:
        head = head[: head.rindex("\n") + 1]
    if "\n" in tail:
        tail = tail[tail.index("\n") + 1 :]
    left_out = len(content) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[… {left_out} bytes left out …]\n{tail}", True
