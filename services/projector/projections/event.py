"""Read model `event`: one row an event, its place and not what it says."""

from functools import cache
from typing import Final

from events import Recorded, TaskEvent
from services.projector.projections.rows import Table

EVENT: Final = Table(
    "event",
    ("sequence",),
    ("sequence", "task", "version", "type", "at", "by"),
    grows_only=True,
)


def values(recorded: Recorded) -> tuple[object, ...]:
    """Spell an event's row, a value a column. There is one a fact: no mapping is made for it."""
    return (
        recorded.sequence,
        recorded.task,
        recorded.version,
        _tag(type(recorded.event)),
        recorded.at,
        recorded.by,
    )


@cache
def _tag(kind: type[TaskEvent]) -> str:
    return str(kind.__struct_config__.tag)
