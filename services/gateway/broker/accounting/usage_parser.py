"""Parser of the usage in a Messages API response, from its bytes as they pass. Pure.

A stream has the prompt's tokens in `message_start` and the totals in `message_delta`; whatever a
later event omits keeps its count. A response whose counts cannot be read, or whose total never
came, is not whole: it counts at its maximum cost.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from events import Usage
from services.gateway.broker.accounting.token_usage import TokenUsage

_TOLD: Final = frozenset({b"message_start", b"message_delta", b"message_stop", b"error"})


_Tokens = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class _Cached(msgspec.Struct, frozen=True):
    ephemeral_1h_input_tokens: _Tokens | None = None


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: _Tokens | None = None
    output_tokens: _Tokens | None = None
    cache_creation_input_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None
    cache_creation: _Cached | None = None


class _Message(msgspec.Struct, frozen=True):
    model: str = ""
    usage: _Usage | None = None


class _Event(msgspec.Struct, frozen=True):
    message: _Message | None = None
    usage: _Usage | None = None


class UsageParser:
    """Parser of one response. `feed` it every chunk; `is_whole` once nothing more can be billed."""

    def __init__(self, *, is_stream: bool) -> None:
        self.model = ""
        self.count = TokenUsage()
        self.has_begun = False
        self.is_whole = False
        self._is_stream = is_stream
        self._has_total = False
        self._is_odd = False
        self._rest = b""
        self._name = b""

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes."""
        if not self._is_stream:
            self._rest += chunk
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line.rstrip(b"\r"))

    def end(self) -> None:
        """Mark the response as complete; a body that is no stream is parsed only now."""
        if self._is_stream:
            return
        try:
            message = msgspec.json.decode(self._rest, type=_Message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if message.usage is not None:
            self._take(message)
            self.is_whole = message.usage.output_tokens is not None

    def _line(self, line: bytes) -> None:
        if line.startswith(b"event:"):
            self._name = line[6:].strip()
        elif line.startswith(b"data:") and self._name in _TOLD:
            self._event(line[5:])
        elif not line:
            self._name = b""

    def _event(self, text: bytes) -> None:
        if self._name == b"message_stop":
            self.is_whole = self.has_begun and self._has_total and not self._is_odd
            return
        try:
            event = msgspec.json.decode(text, type=_Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._is_odd = True
            return
        if event.message is not None:
            self._take(event.message)
        elif event.usage is not None:
            self._has_total = self._has_total or event.usage.output_tokens is not None
            self._add(event.usage)

    def _take(self, message: _Message) -> None:
        self.model = self.model or message.model
        self.has_begun = self.has_begun or message.usage is not None
        if message.usage is not None:
            self._add(message.usage)

    def _add(self, usage: _Usage) -> None:
        """Keep the largest of each count: counts only grow."""
        known = self.count.usage
        largest: dict[str, Any] = {
            name: max(getattr(known, name), getattr(usage, name) or 0)
            for name in Usage.__struct_fields__
        }
        cached = usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else None
        hourly = max(self.count.hourly_tokens, cached or 0)
        self.count = TokenUsage(Usage(**largest), hourly)
