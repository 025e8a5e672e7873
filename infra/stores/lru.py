"""Map that drops its least recently used entries: the one cache of bounded size. Pure."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruMap(OrderedDict[K, V]):
    """Map of up to `max_entries` entries, the least recently used first.

    `put` and `touch` mark an entry as used. Looking one up and plain assignment do not, and cost
    what they cost in a dict; whoever assigns many calls `evict` afterwards.
    """

    def __init__(self, max_entries: int) -> None:
        super().__init__()
        self._max_entries = max_entries

    def put(self, key: K, value: V) -> None:
        """Store an entry as the one used last, and drop those beyond the limit."""
        self[key] = value
        self.move_to_end(key)
        self.evict()

    def touch(self, key: K) -> None:
        """Mark an entry as the one used last. Raises KeyError when there is none."""
        self.move_to_end(key)

    def evict(self) -> None:
        """Drop the least recently used entries beyond the limit."""
        while len(self) > self._max_entries:
            self.popitem(last=False)
