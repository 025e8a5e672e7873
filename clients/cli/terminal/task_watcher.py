"""Watcher that shows a task's steps in the terminal and prompts for answers until it ends."""

import asyncio
import os
import sys
import termios
from contextlib import AbstractContextManager, aclosing, nullcontext
from datetime import datetime

from rich.console import Console, RenderableType
from rich.status import Status
from rich.text import Text

from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway
from clients.cli.stream.client import Stream
from clients.cli.stream.command_sender import Rejected
from clients.cli.stream.items import CaughtUp, PositionLost, StreamItem, TaskNotFound
from clients.cli.stream.outbox import Outbox
from clients.cli.terminal.output import spinner_name, write_bytes
from clients.cli.terminal.prompts import Dialog, HumanRequest
from clients.cli.view import event_view
from events import (
    ApprovalAnswered,
    AttemptStarted,
    BudgetRaised,
    ModelReplied,
    ModelRequested,
    QuestionAnswered,
    Recorded,
    TaskAbandoned,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
)
from events.protocol.ephemeral import Ephemeral
from events.protocol.task_state import ENDED, TaskState

_ENDS = (TaskFinished, TaskFailed, TaskCancelled, TaskAbandoned)
_SETTLES = (
    *_ENDS,
    ApprovalAnswered,
    AttemptStarted,
    QuestionAnswered,
    TaskInstructed,
    ToolCompleted,
)
_LINE_BYTES = 65_536


class TaskWatcher:
    """One task on one screen. `is_json` prints the events as they are, one per line."""

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
        self._limit_microusd = 0
        self._said = ""
        self._has_ended = False
        self._is_caught_up = False
        self._asked: HumanRequest | None = None
        self._dialog: Dialog | None = None
        self._has_terminal = console.is_terminal and sys.stdin.isatty() and not is_json
        self._status: Status | None = None
        self._stream: Stream | None = None

    async def until_end(self, *, after: int = 0) -> TaskState:
        """Show every event after version `after` until the task has ended; return the task."""
        stream = self._stream = Stream(
            self._gateway, device=self._device, tasks={self._task: after}, outbox=self._outbox
        )
        try:
            with self._shown_status() as self._status:
                async with aclosing(stream.items()) as items:
                    async for item in items:
                        await self._take(item)
                        if self._is_caught_up and self._has_ended:
                            break
        finally:
            self._stop_asking()
        path, version = f"/v1/tasks/{self._task}", stream.version(self._task)
        return await self._gateway.get(path, TaskState, wait_version=version)

    async def _take(self, item: StreamItem) -> None:
        match item:
            case Recorded():
                self._show(item)
            case Ephemeral(kind="output", text=text):
                self._hint(text)
            case CaughtUp():
                await self._catch_up()
            case PositionLost():
                self._asked, self._has_ended = None, False
                self._cost_microusd = self._limit_microusd = 0
            case TaskNotFound():
                raise CliError(
                    f"There is no task {self._task} in your account.",
                    "`errand list` shows your tasks.",
                )
            case Rejected() if (
                not self._is_json
            ):  # for example answered on another device meanwhile
                self._print(Text(event_view.plain(item.problem.detail), style="yellow"))
            case _:
                return
        self._ask_or_stop()

    async def _catch_up(self) -> None:
        """Record that what follows is new; the task may have ended before `after`."""
        self._is_caught_up = True
        if self._since is None:
            task = await self._gateway.get(f"/v1/tasks/{self._task}", TaskState)
            self._has_ended = task.phase in ENDED

    def _shown_status(self) -> AbstractContextManager[Status | None]:
        if self._is_json or not self._console.is_terminal:
            return nullcontext()
        return self._console.status("Waiting for a machine", spinner=spinner_name(self._console))

    def _show(self, recorded: Recorded) -> None:
        self._since = self._since or recorded.at
        event = recorded.event
        if isinstance(event, TaskInstructed):
            self._has_ended = False
        elif isinstance(event, _ENDS):
            self._has_ended = True
        if isinstance(event, ModelReplied):
            self._cost_microusd += event.cost_microusd
        elif isinstance(event, TaskSubmitted):
            self._limit_microusd = event.budget.cost_microusd
        elif isinstance(event, BudgetRaised) and self._limit_microusd:
            self._limit_microusd += event.cost_microusd
        if isinstance(event, HumanRequest):
            self._asked = event
        elif isinstance(event, _SETTLES):
            self._asked = None
        if self._is_json:
            write_bytes(recorded.body + b"\n")
            return
        shown = event_view.show(recorded, self._since, said=self._said)
        if shown is not None:
            self._print(shown)
        if isinstance(event, ModelReplied):
            self._said = event_view.reply_text(event) or self._said
        elif isinstance(event, ModelRequested):
            self._hint("Thinking")
        elif isinstance(event, ToolStarted):
            self._hint(event.title)

    def _print(self, shown: RenderableType) -> None:
        """Print something; a prompt that waits for a line is printed again below it."""
        if self._dialog is not None:
            self._console.print()
        self._console.print(shown)
        if self._dialog is not None and self._asked is self._dialog.asked:
            self._console.print(Text(self._dialog.prompt), end="")

    def _hint(self, text: str) -> None:
        lines = event_view.plain(text).strip().splitlines()
        if self._status is not None and lines:
            spent = event_view.format_usd(self._cost_microusd)
            limit = self._limit_microusd
            of = f" of {event_view.format_usd(limit)}" if limit else ""
            self._status.update(Text(f"{lines[-1][:80]}  {spent}{of}", style="dim"))

    def _ask_or_stop(self) -> None:
        """Show the prompt for a pending request; remove one that was answered elsewhere."""
        if self._dialog is not None and self._asked is not self._dialog.asked:
            self._stop_asking()
            if self._status is not None:
                self._status.start()
        if self._is_caught_up and self._asked and self._has_terminal and self._dialog is None:
            if self._status is not None:
                self._status.stop()
            self._dialog = Dialog(self._task, self._asked)
            terminal = sys.stdin.fileno()
            termios.tcflush(
                terminal, termios.TCIFLUSH
            )  # text typed before the prompt is not an answer
            asyncio.get_running_loop().add_reader(terminal, self._receive, terminal)
            self._console.print(Text(self._dialog.prompt), end="")

    def _stop_asking(self) -> None:
        if self._dialog is not None:
            self._dialog = None
            terminal = sys.stdin.fileno()
            asyncio.get_running_loop().remove_reader(terminal)
            termios.tcflush(terminal, termios.TCIFLUSH)  # half a line must not reach the shell

    def _receive(self, terminal: int) -> None:
        """Handle a line from the terminal; at end of input, stop prompting here."""
        typed = os.read(terminal, _LINE_BYTES)
        dialog, stream = self._dialog, self._stream
        if dialog is None or stream is None:
            return
        if not typed:
            self._has_terminal = False
            self._stop_asking()
            self._console.print(
                Text("\nNot answered here. You can answer on another device.", style="dim")
            )
            return
        told = dialog.receive_line(typed.decode(errors="replace"))
        if told is None:
            self._console.print(Text(dialog.prompt), end="")
            return
        self._stop_asking()
        self._asked = None
        try:
            stream.send_command(told)
        except CliError as trouble:  # for example too long: prompt again
            refused = f"{event_view.plain(trouble.message)} {trouble.remedy}"
            self._console.print(Text(refused, "yellow"))
            self._asked = dialog.asked
            self._ask_or_stop()
            return
        if self._status is not None:
            self._status.start()
