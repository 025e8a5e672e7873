"""The prompt cache: what of a prompt was shown before, and is billed as read, written or new.

Source: Anthropic's documentation of prompt caching: a hit is looked for at each mark and up to 20
pieces before it; a prefix below the model's smallest size is not kept, silently; reading keeps an
entry alive.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from infra.runtime.clock import Clock
from infra.simulators.anthropic.api.models import Model
from infra.simulators.anthropic.billing.tokens import Piece

LOOK_BACK_PIECES = 20
LIFETIMES = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}
_MAX_ENTRIES = 20_000


@dataclass(frozen=True)
class InputTokens:
    """A prompt's tokens as they are billed; the prompt's size is the sum of all four."""

    fresh: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def written(self) -> int:
        """All tokens written to the cache."""
        return self.written_5m + self.written_1h

    @property
    def total(self) -> int:
        """The size of the prompt."""
        return self.fresh + self.read + self.written


class PromptCache:
    """Remembers digests of prompt prefixes for as long as their marks say."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[bytes, tuple[datetime, timedelta]] = {}

    def bill(self, model: Model, prompt: Sequence[Piece]) -> InputTokens:
        """Split the prompt into what was kept, what is kept now and what is neither."""
        now = self._clock()
        sizes = list(accumulate(piece.tokens for piece in prompt))
        digests = _digests(model.name, prompt)
        marks = [index for index, piece in enumerate(prompt) if piece.lifetime]
        read = self._longest_hit(digests, marks, now)
        done = sizes[read] if read is not None else 0
        written = {"5m": 0, "1h": 0}
        read_tokens = done
        for index in marks:
            lifetime = prompt[index].lifetime or "5m"
            if sizes[index] < model.min_cached_tokens:
                continue
            self._entries[digests[index]] = (now + LIFETIMES[lifetime], LIFETIMES[lifetime])
            written[lifetime] += max(0, sizes[index] - done)
            done = max(done, sizes[index])
        self._forget(now)
        return InputTokens(
            fresh=(sizes[-1] if sizes else 0) - done,
            read=read_tokens,
            written_5m=written["5m"],
            written_1h=written["1h"],
        )

    def _longest_hit(
        self, digests: Sequence[bytes], marks: Sequence[int], now: datetime
    ) -> int | None:
        for mark in reversed(marks):
            for index in range(mark, max(-1, mark - LOOK_BACK_PIECES - 1), -1):
                entry = self._entries.get(digests[index])
                if entry and entry[0] > now:
                    self._entries[digests[index]] = (now + entry[1], entry[1])
                    return index
        return None

    def _forget(self, now: datetime) -> None:
        if len(self._entries) > _MAX_ENTRIES:
            self._entries = {k: entry for k, entry in self._entries.items() if entry[0] > now}


def _digests(model: str, prompt: Sequence[Piece]) -> list[bytes]:
    """Digest every prefix of the prompt; two models never share one."""
    running = hashlib.sha256(model.encode())
    digests = []
    for piece in prompt:
        running.update(len(piece.content).to_bytes(8, "big"))
        running.update(piece.content)
        digests.append(running.digest())
    return digests
