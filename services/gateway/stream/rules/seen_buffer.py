"""Cursors due to one device: those it neither said nor was sent. Pure."""

from collections.abc import Mapping
from typing import Final

from events.protocol.frames import MAX_SEEN_CURSORS, SeenCursors
from services.gateway.tasks.access import is_task_id

_MAX_KNOWN: Final = 4 * MAX_SEEN_CURSORS
_MAX_VERSION: Final = 2**53 - 1


def valid_cursors(said: Mapping[str, int]) -> dict[str, int]:
    """Return the cursors of a frame that can be ones, and no more than are kept."""
    valid = {
        task: version
        for task, version in said.items()
        if 0 < version <= _MAX_VERSION and is_task_id(task)
    }
    return dict(list(valid.items())[:MAX_SEEN_CURSORS])


class SeenBuffer:
    """Cursors that a device knows, and those to send it next."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._due: dict[str, int] | None = None

    def note(self, cursors: Mapping[str, int]) -> None:
        """Note what the device said: it needs not be sent to it."""
        self._known.update(self._news(cursors))
        self._bound()

    def put(self, cursors: Mapping[str, int], *, is_first: bool = False) -> bool:
        """Take cursors of the person; return whether there is something to send.

        The first ones after a subscription are sent whole, also when there are none.
        """
        known = self._known
        news = (
            {task: max(at, known.get(task, 0)) for task, at in cursors.items()}
            if is_first
            else self._news(cursors)
        )
        if not news and not is_first:
            return False
        self._due = {**(self._due or {}), **news}
        self._known.update(self._news(cursors))
        self._bound()
        return True

    def take(self) -> list[SeenCursors]:
        """Return what is to be sent, once."""
        due, self._due = self._due, None
        return [] if due is None else [SeenCursors(due)]

    def _news(self, cursors: Mapping[str, int]) -> dict[str, int]:
        known = self._known
        return {task: at for task, at in cursors.items() if at > known.get(task, 0)}

    def _bound(self) -> None:
        """Forget what was known first: what is sent again does no harm."""
        while len(self._known) > _MAX_KNOWN:
            del self._known[next(iter(self._known))]
