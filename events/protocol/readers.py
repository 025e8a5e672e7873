"""The names of the log's readers: JetStream consumers, and what dead letters are filed under."""

from typing import Final

from events.ids import TaskId

SCHEDULER: Final = "scheduler"
HISTORY: Final = "history"
"""The projector's history loop: rows in Postgres."""
LIVE: Final = "live"
"""The projector's live loop: states and feeds in Redis."""


def reader_name(task: TaskId, attempt: int) -> str:
    """Return the name of the reader from which the worker of one attempt pulls."""
    return f"w-{task}-a{attempt}"
