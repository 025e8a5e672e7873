"""What comes of a stream: a task's events, what is passing, and what became of commands."""

from typing import NamedTuple

from clients.cli.stream.command_sender import Outcome
from events import Recorded


class LiveItem(NamedTuple):
    """Something passing: a piece of the model's text, or of a tool's running output."""

    task: str
    kind: str
    block: str
    offset: int
    text: str


class CaughtUp(NamedTuple):
    """Everything of the task up to this version has been yielded; what follows is news."""

    task: str
    version: int


class Line(NamedTuple):
    """One task of the inbox as it stands; it takes the place of the task's last."""

    task: str
    version: int
    phase: str
    title: str
    waiting: str
    cost_microusd: int


class Lost(NamedTuple):
    """The log no longer has what was yielded of this task: forget it; it begins anew."""

    task: str


class Missing(NamedTuple):
    """There is no such task in this account; nothing comes of it."""

    task: str


Shown = Recorded | LiveItem | CaughtUp | Line | Lost | Missing | Outcome
