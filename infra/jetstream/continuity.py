"""Whether what a follower of the whole log reads is each history's next event.

A history's versions are dense (events.md §3), and a writer that does not keep to that must not
change what is folded from the log. A follower sees all histories at once and may begin anywhere, so
it remembers where each one stands, and looks into the log for those it meets in the middle.
"""

from collections import OrderedDict
from typing import Final

from events import History, Recorded, event_subject
from infra.jetstream import reading
from infra.jetstream.connection import Connection
from infra.jetstream.legible import Illegible, follows, read_history

_MOST_HISTORIES: Final = 100_000


class Continuity:
    """The last version of each history met lately."""

    def __init__(self, connection: Connection, *, deadline_seconds: float) -> None:
        self._connection = connection
        self._deadline_seconds = deadline_seconds
        self._versions: OrderedDict[History, int] = OrderedDict()

    async def require_next(self, recorded: Recorded) -> None:
        """Take note of an event. Raises Illegible when it is not its history's next, Unavailable.

        The log is asked only about a history met in the middle, and before an event is refused.
        """
        history = recorded.history
        version = 0 if recorded.version == 1 else None
        version = self._versions.get(history, version)
        if version is None or not follows(version, recorded):
            version = await self._before(recorded)
        is_next = follows(version, recorded)
        self._remember(history, recorded.version if is_next else version)
        if not is_next:
            raise Illegible(f"version {recorded.version} follows {version}")

    def _remember(self, history: History, version: int) -> None:
        self._versions[history] = version
        self._versions.move_to_end(history)
        if len(self._versions) > _MOST_HISTORIES:
            self._versions.popitem(last=False)

    async def _before(self, recorded: Recorded) -> int:
        """Read where the history stood before this event."""
        subject = event_subject(recorded.history)
        stored = await reading.messages(
            self._connection, subject, after=0, within_seconds=self._deadline_seconds
        )
        earlier = [each for each in stored if each.sequence < recorded.sequence]
        events = read_history(recorded.history, subject, earlier)
        return events[-1].version if events else 0
