"""New events of a task as they come. Implemented by the hub in services.gateway.stream."""

from collections.abc import AsyncGenerator
from typing import Protocol

from events import History


class Feeds(Protocol):
    """Every task's events, live, whoever asks and however many do."""

    def events(
        self, history: History, after: int, *, beat_seconds: float | None = None
    ) -> AsyncGenerator[list[tuple[int, bytes]], None]:
        """Yield lists of (version, stored bytes), dense and in order from `after` + 1, for ever.

        What stands in the log already comes first. A list is empty only when nothing came for
        `beat_seconds`. Ends only when the gateway stops. The caller closes it
        (`contextlib.aclosing`), or cancels the wait for it. Raises Unavailable.
        """
        ...

    async def head(self, history: History, *, at_least: int) -> int:
        """Return a history's newest version; the log itself is asked when that is below `at_least`.

        0 when there is no such history. Raises Unavailable.
        """
        ...
