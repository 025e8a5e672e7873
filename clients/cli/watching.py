"""Following a task in the terminal until it ends: show every step, ask what it asks."""

import sys
from contextlib import AbstractContextManager, aclosing, nullcontext
from datetime import datetime

from rich.console import Console
from rich.status import Status
from rich.text import Text

from clients.cli import screen
from clients.cli.answering import Asked, answer
from clients.cli.gateway import JSON, Gateway
from clients.cli.outbox import Outbox
from clients.cli.sending import NotDone
from clients.cli.shown import CaughtUp, LiveItem, Lost, Missing, Shown
from clients.cli.stream import Stream
from clients.cli.trouble import Trouble
from events import (
    ApprovalAnswered,
    AttemptStarted,
    ModelReplied,
    ModelRequested,
    QuestionAnswered,
    Recorded,
    TaskAbandoned,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    ToolCompleted,
    ToolStarted,
)

_ENDS = (TaskFinished, TaskFailed, TaskCancelled, TaskAbandoned)
_SETTLES = (
    *_ENDS,
    ApprovalAnswered,
    AttemptStarted,
    QuestionAnswered,
    TaskInstructed,
    ToolCompleted,
)
_ENDED = ("finished", "failed", "cancelled")


class Watch:
    """One task on one screen. `is_json` prints the events as they are, one a line."""

    def __init__(
        self,
        gateway: Gateway,
        task: str,
        *,
        device: str,
        console: Console,
        outbox: Outbox,
        is_json: bool = False,
    ) -> None:
        self._gateway = gateway
        self._task = task
        self._device = device
        self._outbox = outbox
        self._console = console
        self._is_json = is_json
        self._since: datetime | None = None
        self._cost_microusd = 0
        self._has_ended = False
        self._is_caught_up = False
        self._asked: Asked | None = None

    async def until_end(self, *, after: int = 0) -> JSON:
        """Show everything from version `after` on until the task has ended; return the task."""
        stream = Stream(
            self._gateway, device=self._device, tasks={self._task: after}, outbox=self._outbox
        )
        with self._status() as status:
            async with aclosing(stream.items()) as items:
                async for item in items:
                    await self._take(item, stream, status)
                    if self._is_caught_up and self._has_ended:
                        break
        return await self._gateway.get(
            f"/v1/tasks/{self._task}", wait_version=stream.version(self._task)
        )

    async def _take(self, item: Shown, stream: Stream, status: Status | None) -> None:
        match item:
            case Recorded():
                self._show(item, status)
            case LiveItem(kind="output", text=text):
                self._hint(status, text)
            case CaughtUp():
                await self._catch_up()
            case Lost():
                self._asked, self._has_ended, self._cost_microusd = None, False, 0
            case Missing():
                raise Trouble(
                    f"There is no task {self._task} in your account.", "`errand list` tells."
                )
            case NotDone() if not self._is_json:  # answered elsewhere meanwhile, say
                self._console.print(Text(screen.plain(item.problem.detail), style="yellow"))
            case _:
                return
        if self._is_caught_up and self._asked and self._can_ask:
            await self._answer(self._asked, stream, status)

    async def _catch_up(self) -> None:
        """Take note that what follows is news; the end itself may be older than what was shown."""
        self._is_caught_up = True
        if self._since is None:
            task = await self._gateway.get(f"/v1/tasks/{self._task}")
            self._has_ended = task["phase"] in _ENDED

    @property
    def _can_ask(self) -> bool:
        return self._console.is_terminal and sys.stdin.isatty() and not self._is_json

    def _status(self) -> AbstractContextManager[Status | None]:
        if self._is_json or not self._console.is_terminal:
            return nullcontext()
        return self._console.status("Waiting for a machine")

    def _show(self, recorded: Recorded, status: Status | None) -> None:
        self._since = self._since or recorded.at
        event = recorded.event
        if isinstance(event, TaskInstructed):
            self._has_ended = False
        elif isinstance(event, _ENDS):
            self._has_ended = True
        if isinstance(event, ModelReplied):
            self._cost_microusd += event.cost_microusd
        if isinstance(event, Asked):
            self._asked = event
        elif isinstance(event, _SETTLES):
            self._asked = None
        if self._is_json:
            sys.stdout.write(recorded.body.decode() + "\n")
            sys.stdout.flush()
            return
        shown = screen.show(recorded, self._since)
        if shown is not None:
            self._console.print(shown)
        if isinstance(event, ModelRequested):
            self._hint(status, "Thinking")
        elif isinstance(event, ToolStarted):
            self._hint(status, event.title)

    def _hint(self, status: Status | None, text: str) -> None:
        lines = screen.plain(text).strip().splitlines()
        if status is not None and lines:
            spent = screen.money(self._cost_microusd)
            status.update(Text(f"{lines[-1][:80]}  {spent}", style="dim"))

    async def _answer(self, asked: Asked, stream: Stream, status: Status | None) -> None:
        if status is not None:
            status.stop()
        self._asked = None
        stream.tell(await answer(self._task, asked, self._console))
        if status is not None:
            status.start()
