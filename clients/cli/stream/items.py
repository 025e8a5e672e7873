"""Items that a stream yields: events, ephemeral items, positions and outcomes of commands."""

from typing import NamedTuple

from clients.cli.stream.command_sender import Outcome
from events import Recorded
from events.protocol.ephemeral import Ephemeral
from events.protocol.frames import Line, SeenCursors


class CaughtUp(NamedTuple):
    """Every event of the task up to this version has been yielded; what follows is new."""

    task: str
    version: int


class PositionLost(NamedTuple):
    """The log no longer has what was yielded of this task: discard it, it starts again."""

    task: str


class TaskNotFound(NamedTuple):
    """There is no such task in this account; nothing more is yielded for it."""

    task: str


StreamItem = (
    Recorded | Ephemeral | CaughtUp | Line | SeenCursors | PositionLost | TaskNotFound | Outcome
)
