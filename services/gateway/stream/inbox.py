"""Inbox of an account: one line per task, held once for all who watch the list.

A line is a latest value: the next one replaces a missed one, and the hub compares with the
read model now and then, so that a last line that Redis lost arrives too.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from events import AccountId, TaskId
from events.protocol import frames
from events.protocol.task_state import TaskState
from infra.runtime.telemetry import logger
from services.gateway.problems import Refused
from services.gateway.stream.rules.inbox_line import line_of

_MAX_LINES: Final = 100

_log = logger(__name__)
_state = msgspec.json.Decoder(TaskState)


class TaskLists(Protocol):
    """Source of the newest tasks of an account."""

    async def newest(self, account: AccountId, limit: int) -> Sequence[TaskState]:
        """Return the newest tasks. Raises Refused (503) when they are unavailable."""
        ...


class InboxReader(Protocol):
    """Reader of the inbox."""

    def line(self, task: TaskId, line: bytes) -> None:
        """Receive a line; a later one of the same task replaces it."""
        ...


class Inbox:
    """The newest lines of one account."""

    def __init__(self, account: AccountId, lists: TaskLists) -> None:
        self._account = account
        self._lists = lists
        self._lines: dict[TaskId, tuple[int, bytes]] = {}
        self.readers: set[InboxReader] = set()
        self.is_loaded = False

    async def load(self) -> bool:
        """Compare with the read model; return whether it was available."""
        try:
            states = await self._lists.newest(self._account, _MAX_LINES)
        except Refused as refusal:
            _log.warning("inbox.unavailable", account=self._account, error=refusal.problem.detail)
            return False
        for state in reversed(states):
            self._take(state)
        self.is_loaded = True
        return True

    def receive(self, payload: bytes) -> None:
        """Receive a task's state from the projector."""
        try:
            self._take(_state.decode(payload))
        except msgspec.DecodeError as error:
            _log.error("task_state.malformed", account=self._account, error=str(error))

    def show(self, reader: InboxReader) -> None:
        """Send a reader all lines, the newest last."""
        for task, (_, line) in self._lines.items():
            reader.line(task, line)

    def _take(self, state: TaskState) -> None:
        known = self._lines.get(state.id)
        if known is not None and known[0] >= state.version:
            return
        self._lines.pop(state.id, None)
        line = frames.encode(line_of(state))
        self._lines[state.id] = (state.version, line)
        while len(self._lines) > _MAX_LINES:
            del self._lines[next(iter(self._lines))]
        for reader in self.readers:
            reader.line(state.id, line)
