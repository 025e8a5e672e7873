"""Items that a stream yields: events, ephemeral items, positions and outcomes of commands."""

from typing import NamedTuple

from clients.cli.stream.command_sender import Outcome
from events import Recorded


class EphemeralItem(NamedTuple):
    """Ephemeral text: a piece of the model's reply or of a tool's running output."""

    task: str
    kind: str
    block: str
    offset: int
    text: str


class CaughtUp(NamedTuple):
    """Every event of the task up to this version has been yielded; what follows is new."""

    task: str
    version: int


class TaskLine(NamedTuple):
    """One task of the inbox; it replaces the task's previous line."""

    task: str
    version: int
    phase: str
    title: str
    waiting: str
    cost_microusd: int


class PositionLost(NamedTuple):
    """The log no longer has what was yielded of this task: discard it, it starts again."""

    task: str


class TaskNotFound(NamedTuple):
    """There is no such task in this account; nothing more is yielded for it."""

    task: str


Shown = Recorded | EphemeralItem | CaughtUp | TaskLine | PositionLost | TaskNotFound | Outcome
