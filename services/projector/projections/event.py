"""Read model `event`: one row per event, its place without its content."""

from functools import cache
from typing import Final

from events import Recorded, TaskEvent
from services.projector.projections.table import Table

EVENT: Final = Table(
    "event",
    ("sequence",),
    ("sequence", "task", "version", "type", "at", "by"),
    grows_only=True,
)


def values(recorded: Recorded) -> tuple[object, ...]:
    """Return an event's row, one value per column, as a tuple: there is one for every fact."""
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
