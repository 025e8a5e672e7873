"""Counts the events that this process decodes when it reads histories."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from events import History, Recorded, event_subject
from infra.log.jetstream import log
from infra.log.jetstream.read import existence
from infra.log.jetstream.read.decode import HistoryDecoder, StoredMessage


class EventReads:
    """The number of events decoded by reading histories, repeats counted, by history."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, subject: str) -> None:
        """Note one decoded event."""
        self._counts[subject] += 1

    def of(self, history: History) -> int:
        """Return how many events of a history were decoded."""
        return self._counts[event_subject(history)]


@contextmanager
def counted_reads() -> Iterator[EventReads]:
    """Count from here on. What follows the whole log, as pushes do, is not counted."""
    reads = EventReads()

    class CountingSieve(HistoryDecoder):
        def __init__(self, subject: str, *further: Any, **options: Any) -> None:
            super().__init__(subject, *further, **options)
            self._counted = subject

        def admit(self, stored: StoredMessage) -> Recorded | None:
            reads.add(self._counted)
            return super().admit(stored)

    with pytest.MonkeyPatch.context() as patch:
        for reader in (log, existence):
            patch.setattr(reader, "HistoryDecoder", CountingSieve)
        yield reads
