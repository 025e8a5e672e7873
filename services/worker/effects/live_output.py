"""Live output, shown while it comes and never stored: token deltas and running output.

Items are the wire's own: {"t":"eph","task","kind","block","offset","text"}; `offset` counts the
characters of the block that came before. The final event carries the whole text, so a lost item
costs nothing. Secrets are taken out before; what may be the beginning of one waits for the rest.
"""

import asyncio
import codecs
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from events import CallId, TaskId
from events.protocol.ephemeral import Ephemeral, EphemeralKind
from services.worker.agent.text.redaction import RedactedStream, Redactor
from services.worker.ports import OnDelta, OnOutput

_PAUSE_SECONDS: Final = 0.04  # 25 items per second
_MAX_CHARACTERS: Final = 16_000


class LiveOutput:
    """Buffer that publishes its pieces at most 25 times per second and block."""

    def __init__(
        self,
        task: TaskId,
        say: Callable[[bytes], Awaitable[None]],
        *,
        redactor: Redactor | None = None,
    ) -> None:
        self.redactor = redactor or Redactor()
        self._streams: dict[tuple[EphemeralKind, str], RedactedStream] = {}
        self._task = task
        self._say = say
        self._has_pieces = asyncio.Event()
        self._offsets: dict[tuple[EphemeralKind, str], int] = {}
        self._waiting: dict[tuple[EphemeralKind, str], str] = {}

    def reply(self, turn: int) -> OnDelta:
        """Begin to show a reply from its start; blocks are named `<turn>.<index>`."""
        self._begin()

        def take(kind: EphemeralKind, index: int, text: str) -> None:
            self._take((kind, f"{turn}.{index}"), text)

        return take

    def output(self, call: CallId) -> OnOutput:
        """Begin to show a call's output; the block is named by the call."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def take(chunk: bytes) -> None:
            self._take(("output", call), decoder.decode(chunk))

        return take

    async def run(self, until: asyncio.Event) -> None:
        """Publish what is in the buffer, as it comes, until set."""
        while not until.is_set():
            await self._has_pieces.wait()
            await self.flush()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def flush(self) -> None:
        """Publish what is in the buffer now."""
        self._has_pieces.clear()
        waiting, self._waiting = self._waiting, {}
        for (kind, block), text in waiting.items():
            offset = self._offsets.get((kind, block), 0)
            self._offsets[kind, block] = offset + len(text)
            shown = text[-_MAX_CHARACTERS:]
            skipped = len(text) - len(shown)
            item = Ephemeral(self._task, kind, block, offset + skipped, shown)
            await self._say(msgspec.json.encode(item))

    async def end(self) -> None:
        """Publish all that was held back; the next pieces begin new texts."""
        streams, self._streams = self._streams, {}
        for key, stream in streams.items():
            self._put(key, stream.end())
        await self.flush()

    def _begin(self) -> None:
        self._streams.clear()
        self._offsets.clear()
        self._waiting.clear()

    def _take(self, key: tuple[EphemeralKind, str], text: str) -> None:
        self._put(key, self._streams.setdefault(key, self.redactor.stream()).take(text))

    def _put(self, key: tuple[EphemeralKind, str], text: str) -> None:
        if text:
            self._waiting[key] = self._waiting.get(key, "") + text
            self._has_pieces.set()
