"""The places of histories' events in the stream, as far as they were read and found in order.

With it a page of a long history costs what it returns: reading begins at its first event, and what
stands at a known place was validated before and need not be decoded again. A message that was left
out as invalid has no place here.
"""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from events import NOWHERE, Head, History, Recorded

MAX_PLACES: Final = 1_000_000
"""Eight bytes each."""


class HistoryIndex:
    """The sequences of versions 1, 2, 3 … of the histories read last."""

    def __init__(self, max_places: int = MAX_PLACES) -> None:
        self._max_places = max_places
        self._places: OrderedDict[History, array[int]] = OrderedDict()
        self._count = 0

    def known(self, history: History) -> int:
        """Return up to which version the places are known."""
        return len(self._places.get(history, ()))

    def head(self, history: History, version: int) -> Head:
        """Return the nearest known place at or before a version."""
        places = self._places.get(history)
        nearest = min(version, len(places)) if places is not None else 0
        if places is None or not nearest:
            return NOWHERE
        self._places.move_to_end(history)
        return Head(nearest, places[nearest - 1])

    def sequences(self, history: History, after: int, limit: int) -> Sequence[int]:
        """Return the known sequences of the versions that follow `after`."""
        return self._places.get(history, array("Q"))[after : after + limit]

    def learn(self, history: History, events: Sequence[Recorded]) -> None:
        """Take in validated events that go on where the places end; others are passed over."""
        places = self._places.setdefault(history, array("Q"))
        before = len(places)
        for recorded in events:
            if recorded.version == len(places) + 1:
                places.append(recorded.sequence)
        self._count += len(places) - before
        while self._count > self._max_places and len(self._places) > 1:
            self.forget(next(iter(self._places)))

    def forget(self, history: History) -> None:
        """Drop what is known of a history: it is no longer as it was read."""
        self._count -= len(self._places.pop(history, ()))

    def clear(self) -> None:
        """Drop everything."""
        self._places.clear()
        self._count = 0
