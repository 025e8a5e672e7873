"""Decoder of server-sent events: bytes in, whole events out.

Source: the HTML standard, "Server-sent events", as far as the Messages API uses it.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024


class StreamEvent(NamedTuple):
    """One event: the name on its `event:` line ("" without one) and its joined `data:` lines."""

    name: str
    data: bytes


class EventTooLong(ValueError):
    """An event is longer than MAX_EVENT_BYTES."""


class EventStreamDecoder:
    """Cut a stream into events, however its bytes were split. Lines end in LF or CRLF."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._size_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[StreamEvent]:
        """Yield the events that are complete with this chunk. Raises EventTooLong."""
        self._rest += chunk
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in lines:
            event = self._line(bytes(line.rstrip(b"\r")))
            if event is not None:
                yield event
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLong

    def _line(self, line: bytes) -> StreamEvent | None:
        if not line:
            event = StreamEvent(self._name, b"\n".join(self._data)) if self._data else None
            self._name, self._data, self._size_bytes = "", [], 0
            return event
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value.decode(errors="replace")
        elif field == b"data":
            self._size_bytes += len(value)
            if self._size_bytes > MAX_EVENT_BYTES:
                raise EventTooLong
            self._data.append(value)
        return None
