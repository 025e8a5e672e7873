"""Capture of a command's output: its head and its tail, whatever it writes in between."""

from collections import deque


class Capture:
    """Keeps at most `limit_bytes` of a stream: the first half of them and the last half."""

    def __init__(self, limit_bytes: int) -> None:
        self._head = bytearray()
        self._head_bytes = limit_bytes // 2
        self._tail: deque[bytes] = deque()
        self._tail_bytes = limit_bytes - self._head_bytes
        self._tail_held = 0
        self.total_bytes = 0

    @property
    def is_truncated(self) -> bool:
        """Return whether anything was left out."""
        return self.total_bytes > self._head_bytes + self._tail_bytes

    def add(self, chunk: bytes) -> None:
        """Take the next piece of the stream."""
        self.total_bytes += len(chunk)
        room = self._head_bytes - len(self._head)
        self._head += chunk[:room]
        rest = chunk[room:]
        if rest:
            self._tail.append(rest)
            self._tail_held += len(rest)
            while self._tail_held - len(self._tail[0]) >= self._tail_bytes:
                self._tail_held -= len(self._tail.popleft())

    def content(self) -> bytes:
        """Return what was kept, with a line that counts what was left out."""
        tail = b"".join(self._tail)
        if not self.is_truncated:
            return bytes(self._head) + tail
        left_out = self.total_bytes - self._head_bytes - self._tail_bytes
        kept = tail[len(tail) - self._tail_bytes :]
        return bytes(self._head) + f"\n… {left_out} bytes left out …\n".encode() + kept
