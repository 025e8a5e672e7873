"""Sender of the outbox: one command at a time, in order, within the rate limit."""

from typing import NamedTuple

from clients.cli.protocol.reconnect_policy import StreamTimings, pause_seconds
from clients.cli.stream.outbox import Command, Outbox
from events.protocol.frames import Ack, Nak
from events.protocol.problem import Problem


class Acknowledged(NamedTuple):
    """The gateway stored a command at this version of this task."""

    command: str
    task: str
    version: int


class Rejected(NamedTuple):
    """The gateway refused a command. Unless `is_final`, it is sent again later."""

    command: str
    problem: Problem
    is_final: bool


Outcome = Acknowledged | Rejected


class CommandSender:
    """Decides what to send of an outbox, and when. Times are the event loop's, in seconds."""

    def __init__(self, outbox: Outbox, timings: StreamTimings) -> None:
        self._outbox = outbox
        self._timings = timings
        self._sent: Command | None = None
        self._may_be_more = True
        self._naks = 0
        self._at = 0.0

    def keep(self, command: Command) -> None:
        """Append a command to the outbox; it is sent when those before it are answered."""
        self._outbox.keep(command)
        self._may_be_more = True

    def begin(self) -> None:
        """Start a new connection: the command that was not answered is sent again."""
        self._sent = None
        self._may_be_more = True

    def due_at(self) -> float | None:
        """Return when to call `next`; None while there is nothing to send."""
        return self._at if self._may_be_more and self._sent is None else None

    def next(self, now: float) -> str | None:
        """Return the frame to send now, if there is one."""
        due_at = self.due_at()
        if due_at is None or now < due_at:
            return None
        self._sent = self._outbox.first()
        if self._sent is None:
            self._may_be_more = False
            return None
        self._at = now + self._timings.command_interval_seconds
        return self._sent.frame()

    def answered(self, answer: Ack | Nak, now: float, *, chance: float) -> Outcome:
        """Handle an ack or nak: a final answer removes the command, others retry it later."""
        if self._sent is not None and self._sent.id == answer.id:
            self._sent = None
        if isinstance(answer, Nak) and answer.problem.retryable:
            self._naks += 1
            self._at = now + pause_seconds(self._naks, self._timings, retry_ms=0, chance=chance)
            return Rejected(answer.id, answer.problem, is_final=False)
        self._outbox.remove(answer.id)
        self._naks = 0
        if isinstance(answer, Ack):
            return Acknowledged(answer.id, answer.task, answer.version)
        return Rejected(answer.id, answer.problem, is_final=True)
